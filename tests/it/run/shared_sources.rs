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

#[test]
fn a_source_that_is_not_there_is_refused_before_anything_is_built() {
    let kiosk = Kiosk::new(3);
    kiosk.run(5).expect(0);
    let before = kiosk.0.published();
    kiosk.0.edit("sql/staging/sales.sql", "landed.sales", "landed.sale");
    kiosk.0.write("sql/marts/alone.sql", "select a from landed.nowhere\n");
    kiosk.0.write(
        "sql/marts/alone.yaml",
        "description: A table.\ncolumns:\n  - {name: a, type: string, description: A.}\n",
    );
    let sixth = day(6).to_string();
    for arguments in [
        &["validate"][..],
        &["plan", "nightly", "--as-of", &sixth],
        &["run", "nightly", "--as-of", &sixth],
        &["backfill", "nightly", "--from", &sixth, "--to", &sixth],
    ] {
        let told = kiosk.0.lifecycle(arguments).expect(2);
        let told = format!("{}{}", told.stdout, told.stderr);
        for part in ["no source `sale`", "sql/staging/sales.sql:", "did you mean `landed.sales`", "no source `nowhere`"]
        {
            assert!(told.contains(part), "{arguments:?}: {told}");
        }
    }
    assert_eq!(kiosk.0.published(), before);
}

#[test]
fn a_day_to_come_is_refused() {
    let kiosk = Kiosk::new(3);
    for command in ["plan", "run"] {
        kiosk
            .0
            .lifecycle(&[command, "nightly", "--as-of", "2999-01-01"])
            .expect(2)
            .says(&["error: 2999-01-01 is still to come", "hint: the last complete day is"]);
    }
}

#[test]
fn what_is_wrong_with_a_query_is_said_as_of_a_model() {
    let kiosk = Kiosk::new(3);
    kiosk.run(5).expect(0);
    for (sql, told) in [
        ("selct 1", "error: expected: an SQL statement, found: selct\n"),
        ("select cast('a' as int)", "error: cannot cast string 'a' to value of Int32 type\n"),
        ("drop table marts.balances", "error: only queries are run here: `select …`\n"),
        ("select * from marts.balance", "error: table 'marts.balance' not found"),
    ] {
        let ran = kiosk.0.lifecycle(&["query", sql]).expect(2);
        assert!(ran.stderr.contains(told), "{sql}: {}", ran.stderr);
    }
}
