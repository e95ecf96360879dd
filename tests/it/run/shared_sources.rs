//! A job that builds from what another one lands.

use crate::backfill::kiosk::{Kiosk, day};

/// The kiosk, its one job split: `landing` has the sources, `nightly` the models.
fn split(kiosk: &Kiosk) -> Kiosk {
    let split = kiosk.anew();
    let text = std::fs::read_to_string(split.0.path("jobs/nightly.yaml")).unwrap();
    let (sources, models) = text.split_at(text.find("models:").unwrap());
    split.0.write("jobs/landing.yaml", &sources.replace("name: nightly", "name: landing"));
    split.0.write("jobs/nightly.yaml", &format!("name: nightly\ndescription: Tables alone.\n{models}"));
    split
}

#[test]
fn what_one_job_lands_another_builds_from() {
    let whole = Kiosk::new(3);
    let parts = split(&whole);
    parts.0.lifecycle(&["validate"]).expect(0);
    for number in [5, 7] {
        whole.run(number).expect(0);
        parts.0.lifecycle(&["run", "landing", "--as-of", &day(number).to_string()]).expect(0);
        parts.run(number).expect(0);
        let tables = whole.0.tables();
        assert!(!tables["marts.balances"].is_empty());
        crate::run::assert_same(&tables, &parts.0.tables());
    }
    let nothing_new = parts.run(7).expect(0).says(&["nothing"]);
    assert!(!nothing_new.stderr.contains("panicked"));
    // What the other job lands later makes these tables stale.
    let (sale, joined) = ("late-1,2025-11-26 09:30:00,c1,12.00", "sale_id,sold_at,customer_id,amount\n");
    for kiosk in [&whole, &parts] {
        kiosk.0.write(&format!("raw/sales/date={}/more.csv", day(0)), &format!("{joined}{sale}\n"));
    }
    parts.run(7).expect(0).says(&["nothing"]);
    parts.0.lifecycle(&["run", "landing", "--as-of", &day(7).to_string()]).expect(0);
    for kiosk in [&whole, &parts] {
        kiosk.run(7).expect(0);
    }
    crate::run::assert_same(&whole.0.tables(), &parts.0.tables());
}
