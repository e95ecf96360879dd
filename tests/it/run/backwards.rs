//! Old days and old releases: what they write, and what they leave alone.

use std::collections::BTreeMap;

use lifecycle::demo::deliver_late_object;

use super::{Rows, Shop, assert_same, days_before, last_day};

const DAILY: [&str; 4] = ["churn", "churn_summary", "referral_goal", "referral_roi"];
const MONTHLY: [&str; 3] = ["customer_matrix", "customer_matrix_cells", "customer_matrix_moves"];

fn history_of(shop: &Shop, table: &str, as_of: chrono::NaiveDate) -> Rows {
    let columns = shop.project().models[&lifecycle::config::TableName::new("marts", table)]
        .columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!("select {columns} from marts.{table}_history where as_of = '{as_of}'");
    shop.read(None, &BTreeMap::from([(table.to_owned(), sql)])).remove(table).unwrap()
}

#[test]
fn an_old_day_writes_its_history_and_nothing_else() {
    let shop = Shop::after_first_night();
    let (mid_month, month_end) = (days_before(15), days_before(31));
    assert_eq!(month_end.to_string(), "2025-11-30");
    let before = (shop.tables(), shop.release());
    for day in [mid_month, month_end] {
        shop.night(day).expect(0);
    }
    let after = (shop.tables(), shop.release());
    assert_same(&before.0, &after.0);
    assert_eq!(after.1.as_of, last_day());
    assert_eq!(after.1.number, 3);
    for (name, released) in &before.1.tables {
        if !name.ends_with("_history") {
            assert_eq!(released.version, after.1.tables[name].version, "{name}");
        }
    }
    for (day, has_monthly) in [(mid_month, false), (month_end, true), (last_day(), true)] {
        let anew = shop.anew();
        anew.night(day).expect(0);
        let then = anew.tables();
        for table in DAILY {
            let expected = &then[&format!("marts.{table}")];
            assert!(!expected.is_empty(), "{table} as of {day}");
            assert_eq!(&history_of(&shop, table, day), expected, "{table} as of {day}");
        }
        for table in MONTHLY {
            let expected = if has_monthly { then[&format!("marts.{table}")].clone() } else { Vec::new() };
            assert_eq!(history_of(&shop, table, day), expected, "{table} as of {day}");
        }
    }
    assert_eq!(shop.data_files(), shop.committed_files(), "tables that were built only on the way are gone");
}

#[test]
fn an_earlier_release_can_be_read_and_brought_back() {
    let shop = Shop::after_first_night();
    let first = shop.tables();
    let exports = |shop: &Shop| std::fs::read_to_string(shop.path("warehouse/exports/nightly/churn.csv")).unwrap();
    let first_exports = exports(&shop);
    deliver_late_object(shop.root(), days_before(3), "c000002", last_day()).unwrap();
    shop.night(last_day()).expect(0);
    let second = shop.tables();
    assert_ne!(first, second);
    assert_same(&shop.tables_of(Some(1)), &first);
    let spent = |release: &str| {
        let sql = "select sum(revenue) from marts.customer_value";
        shop.lifecycle(&["query", sql, "-o", "csv", "--release", release]).expect(0).stdout
    };
    assert_ne!(spent("1"), spent("2"));

    shop.lifecycle(&["rollback", "1"]).expect(0).says(&["release 3 has the tables of release 1"]);
    let release = shop.release();
    assert_eq!((release.number, release.rollback_of), (3, Some(1)));
    assert_same(&shop.tables(), &first);
    assert_eq!(spent("3"), spent("1"));
    assert_same(&shop.tables_of(Some(2)), &second);
    assert_eq!(exports(&shop), first_exports, "exports follow the release");

    // The next run sees data that the release has not, and publishes it again.
    shop.night(last_day()).expect(0);
    assert_same(&shop.tables(), &second);
    shop.lifecycle(&["rollback", "99"]).expect(2).says(&["job `nightly` has no release 99"]);
}
