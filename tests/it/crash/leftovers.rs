//! What a run that never came to its end leaves, and the next sets right.

use chrono::TimeDelta;

use super::gate::Gate;
use super::{Time, day, deliver, night, published, request, stall, state, unlike_the_release, warehouse};
use crate::run::{Shop, assert_same, wait_for};
use lifecycle::run::{Surroundings, run_job};

/// A stall after a night, and a second night that died after so many writes.
fn dead_after(passes: usize) -> (Shop, Time, String) {
    let (shop, time) = (stall(), Time::new());
    deliver(&shop, day(0), 0);
    let held = wait_for(async {
        night(&shop, &time.surroundings(&shop), day(0)).await.unwrap();
        let gate = Gate::after(passes);
        let surroundings = time.surroundings(&shop);
        let dying = Surroundings { stores: gate.stores(surroundings.stores.clone()), ..surroundings };
        let (project, own) = (shop.project(), state(&shop).await);
        let run = tokio::spawn(async move { run_job(&project, &own, &dying, &request(day(1), &[])).await.map(|_| ()) });
        let held = gate.reached().await;
        run.abort();
        let _ = run.await;
        held
    });
    time.pass(TimeDelta::minutes(11));
    (shop, time, held)
}

/// The next run builds nothing, and yet whoever reads the newest versions reads the release.
#[test]
fn tables_that_a_dead_run_committed_are_set_back_though_there_is_nothing_to_do() {
    let mut unlike = 0;
    for passes in [7, 9] {
        let (shop, time, held) = dead_after(passes);
        assert!(held.contains("/marts/"), "{held}");
        let before = published(&shop, None);
        unlike += unlike_the_release(&shop).len();
        let report = wait_for(night(&shop, &time.surroundings(&shop), day(0))).unwrap();
        assert!(report.release.is_none(), "there was nothing to do");
        assert_eq!(unlike_the_release(&shop), [""; 0]);
        assert_same(&published(&shop, None), &before);
        // The dead one's night is made up for; then nothing is left of it.
        wait_for(night(&shop, &time.surroundings(&shop), day(1))).unwrap();
        wait_for(night(&shop, &time.surroundings(&shop), day(1))).unwrap();
        assert!(wait_for(warehouse(&shop).announcements("nightly")).unwrap().is_empty());
        assert_eq!(unlike_the_release(&shop), [""; 0]);
    }
    assert!(unlike > 0, "the dead runs left nothing to set back");
}
