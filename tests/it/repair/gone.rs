//! What releases keep of tables and histories that come and go: with a rollback, and with their models.

use super::late::{after_six_nights, days_from_the_start, histories, late_sale, without_members};
use crate::backfill::kiosk::{DAYS, Kiosk, day};
use crate::run::{Rows, assert_same};

/// A model whose name ends like a history's.
fn add_sale_history(kiosk: &Kiosk) {
    let sql = "select count(*) as sales from staging.sales where business_day(sold_at) <= $as_of\n";
    kiosk.0.write("sql/marts/sale_history.sql", sql);
    let columns = "columns:\n  - {name: sales, type: integer, description: A column.}\n";
    kiosk.0.write("sql/marts/sale_history.yaml", &format!("description: A table.\n{columns}"));
}

#[test]
fn a_rollback_keeps_histories_that_came_later_and_they_are_repaired_again() {
    let kiosk = Kiosk::new(11);
    (0..DAYS).for_each(|number| without_members(&kiosk, number));
    add_sale_history(&kiosk);
    kiosk.0.edit("sql/marts/balances.yaml", "history: daily\n", "");
    kiosk.run(2).expect(0);
    kiosk.0.edit("sql/marts/balances.yaml", "grain:", "history: daily\ngrain:");
    for number in 3..6 {
        kiosk.run(number).expect(0);
    }
    let sales = |number: u64| -> Rows {
        let query = ("sales".to_owned(), "select * from marts.sale_history".to_owned());
        kiosk.0.read(Some(number), &[query].into())["sales"].clone()
    };
    assert_ne!(sales(1), sales(4));
    let balances = |number: u64| kiosk.0.release_of(number).tables["marts.balances_history"].clone();
    kiosk.0.lifecycle(&["rollback", "1"]).expect(0);
    assert_eq!(balances(5), balances(4), "its days are not undone");
    assert_eq!(sales(5), sales(1), "a table that is called like a history is none");
    // The days go on to get what comes late.
    late_sale(&kiosk, 3, "x1", "newcomer", "7.00");
    kiosk.run(6).expect(0).says(&["repaired 4 days of histories for late facts"]);
    assert_same(&histories(&kiosk), &days_from_the_start(&kiosk, 3, 6));
}

#[test]
fn a_model_that_was_deleted_is_no_longer_published() {
    let kiosk = after_six_nights();
    for name in ["totals", "balances"] {
        for ending in ["sql", "yaml"] {
            std::fs::remove_file(kiosk.0.path(&format!("sql/marts/{name}.{ending}"))).unwrap();
        }
    }
    let deleted = ["marts.balances", "marts.balances_history", "marts.totals"];
    let published = || -> Vec<String> {
        let tables = kiosk.0.release().tables.into_keys();
        tables.filter(|name| deleted.contains(&name.as_str())).collect()
    };
    late_sale(&kiosk, 7, "x1", "newcomer", "7.00");
    // A run of some tables leaves the others alone.
    let as_of = day(7).to_string();
    kiosk.0.lifecycle(&["run", "nightly", "--as-of", &as_of, "-s", "marts.calendar"]).expect(0);
    assert_eq!(published(), deleted);
    kiosk.run(7).expect(0);
    assert_eq!(published(), Vec::<String>::new());
    let left = ["marts.calendar", "marts.largest", "marts.largest_history", "marts.spenders_history"];
    assert!(left.iter().all(|name| kiosk.0.release().tables.contains_key(*name)));
    kiosk.run(7).expect(0).says(&["nothing to do"]);
}
