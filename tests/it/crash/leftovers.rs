//! What a run that never came to its end leaves, and the next sets right.

use chrono::TimeDelta;

use super::gate::{Gate, Write};
use super::{Time, day, deliver, night, published, request, stall, state, unlike_the_release, warehouse};
use crate::run::{Shop, assert_same, wait_for};
use lifecycle::run::{Surroundings, run_job};

/// A stall after a night, and a second night that died before a write.
fn dead_before(write: Write) -> (Shop, Time) {
    let (shop, time) = (stall(), Time::new());
    deliver(&shop, day(0), 0);
    wait_for(async {
        night(&shop, &time.surroundings(&shop), day(0)).await.unwrap();
        let gate = Gate::before(write);
        let surroundings = time.surroundings(&shop);
        let dying = Surroundings { stores: gate.stores(surroundings.stores.clone()), ..surroundings };
        let (project, own) = (shop.project(), state(&shop).await);
        let run = tokio::spawn(async move { run_job(&project, &own, &dying, &request(day(1), &[])).await.map(|_| ()) });
        gate.reached().await;
        run.abort();
        let _ = run.await;
    });
    time.pass(TimeDelta::minutes(11));
    (shop, time)
}

/// The next run builds nothing, and yet whoever reads the newest versions reads the release.
#[test]
fn tables_that_a_dead_run_committed_are_set_back_though_there_is_nothing_to_do() {
    let mut unlike = 0;
    for write in ["marts/days/_delta_log/", "marts/totals_history/_delta_log/", "releases/"] {
        let (shop, time) = dead_before(Write::To(write));
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
