//! Backfills, in one go or several days at once, equal single runs; and days one by one equal the last at once.

use super::kiosk::{DAYS, Kiosk, day, first_day};
use crate::run::assert_same;

fn histories(rows: &std::collections::BTreeMap<String, crate::run::Rows>) -> usize {
    rows.iter().filter(|(name, _)| name.ends_with("_history")).map(|(_, rows)| rows.len()).sum()
}

#[test]
fn days_that_are_built_together_equal_single_runs() {
    for seed in [1, 2] {
        let single = Kiosk::new(seed);
        for number in 2..DAYS {
            single.run(number).expect(0);
        }
        let expected = single.rows();
        assert!(histories(&expected) > 20, "{expected:?}");
        for at_once in ["1", "3"] {
            let kiosk = single.anew();
            let ran = kiosk.backfill(2, DAYS - 1, &["--parallel", at_once]).expect(0);
            assert!(ran.stderr.contains("6 days done"), "{ran:?}");
            let rows = kiosk.rows();
            // All days are as in single runs but for a history of what does not look at the day: only its builder writes.
            let known = |rows: &std::collections::BTreeMap<String, crate::run::Rows>| {
                rows.clone().into_iter().filter(|(name, _)| name != "marts.spenders_history").collect()
            };
            assert_same(&known(&rows), &known(&expected));
            assert_eq!(kiosk.0.query("select count(*) from ops.runs where status = 'succeeded'"), ["6"]);
            assert!(kiosk.0.release_numbers().len() < 6, "{:?}", kiosk.0.release_numbers());
            assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files(), "what was built on the way is gone");
        }
    }
}

#[test]
fn older_days_leave_current_tables_alone_and_land_what_waits_once() {
    let single = Kiosk::new(3);
    single.run(DAYS - 1).expect(0);
    // Two objects come late: they change old days, and tables of all days.
    single.0.write(
        "raw/sales/date=2025-11-28/late.csv",
        "sale_id,sold_at,customer_id,amount\nx1,2025-11-28 10:00:00,c1,5.00\n",
    );
    single.0.write(
        "raw/sales/date=2025-11-30/late.csv",
        "sale_id,sold_at,customer_id,amount\nx2,2025-11-30 10:00:00,c2,7.00\n",
    );
    let (one_go, at_once) = (Kiosk(single.0.copy()), Kiosk(single.0.copy()));
    let before = single.0.tables();
    for number in 1..DAYS - 1 {
        single.run(number).expect(0);
    }
    let expected = single.rows();
    assert_eq!(expected["marts.totals"], before["marts.totals"], "of the newest day, and of its facts");
    assert_ne!(expected["marts.calendar"], before["marts.calendar"], "does not look at the day");
    for (kiosk, parallel) in [(one_go, "1"), (at_once, "4")] {
        kiosk
            .backfill(1, DAYS - 2, &["--parallel", parallel])
            .expect(0)
            .says(&["landed 2 rows from 2 objects, 0 rejected", "6 days done"]);
        assert_same(&kiosk.rows(), &expected);
        assert_eq!(kiosk.0.release().as_of, day(DAYS - 1));
        let landed = kiosk.0.query("select count(distinct run_id) from ops.run_sources where rows_in > 0");
        assert_eq!(landed, ["2"], "by the first night, and once by the backfill");
        let built =
            "select count(*) from ops.run_tables where table_name = 'intermediate.sale_days' and action = 'built'";
        assert_eq!(kiosk.0.query(built), ["2"]);
        // Again, with all that was done: the same.
        kiosk.backfill(1, DAYS - 2, &["--only", "all"]).expect(0);
        let again = kiosk.rows();
        assert_same(&again, &expected);
    }
}

#[test]
fn running_days_one_by_one_equals_running_the_last_day_at_once() {
    for seed in [4, 5] {
        let daily = Kiosk::without_sales();
        for number in 0..DAYS {
            daily.deliver(seed, number);
            daily.run(number).expect(0);
        }
        let at_once = daily.anew();
        at_once.0.edit("config/local.yaml", "parallelism: 2", "parallelism: 3");
        at_once.run(DAYS - 1).expect(0);
        assert_same(&daily.0.tables(), &at_once.0.tables());
        assert_same(&daily.0.landed(), &at_once.0.landed());
        assert!(daily.0.landed()["rejected sales"].len() > 1);
        // And once more: nothing.
        let published = at_once.0.published();
        at_once.0.edit("config/local.yaml", "parallelism: 3", "parallelism: 1");
        at_once.run(DAYS - 1).expect(0).says(&["nothing to do"]);
        assert_eq!(at_once.0.published(), published);
    }
}

#[test]
fn a_day_before_the_first_fact_has_histories_without_rows() {
    let kiosk = Kiosk::new(6);
    let from = (first_day() - chrono::Days::new(3)).to_string();
    let to = first_day().to_string();
    kiosk.0.lifecycle(&["backfill", "nightly", "--from", &from, "--to", &to]).expect(0).says(&["4 days done"]);
    let days = kiosk.0.query("select distinct as_of from marts.balances_history");
    assert_eq!(days, [to.as_str()]);
    assert_eq!(kiosk.0.release().as_of, first_day());
}
