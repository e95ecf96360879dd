//! Data that comes late, changes, or comes next: the tables end as if everything had been there at once.

use std::collections::BTreeSet;

use chrono::Days;
use lifecycle::demo::{deliver_correction, deliver_late_object, deliver_next_day};

use super::{Shop, assert_same, days_before, last_day};

fn table_files(shop: &Shop, table: &str) -> BTreeSet<String> {
    let prefix = format!("{}/", table.replace('.', "/"));
    shop.data_files().into_iter().filter(|name| name.starts_with(&prefix)).collect()
}

#[test]
fn a_late_object_rebuilds_its_day_alone() {
    let shop = Shop::after_first_night();
    let day = days_before(25);
    let before = shop.tables();
    let late = deliver_late_object(shop.root(), day, "c000001", last_day()).unwrap();
    let files = table_files(&shop, "intermediate.order_days");
    let plan = shop.plan(last_day()).expect(0);
    for table in ["intermediate.order_days", "intermediate.product_days"] {
        let line = plan.stdout.lines().find(|line| line.contains(table)).unwrap_or_else(|| panic!("{plan:?}"));
        assert!(line.contains(&format!("build {day}")), "{line}");
        assert!(line.contains(&format!("landed.orders touched {day}")), "{line}");
    }
    let quiet = plan.stdout.lines().find(|line| line.contains("intermediate.interaction_days"));
    assert!(quiet.is_none_or(|line| line.contains("keep")), "{quiet:?}");

    shop.night(last_day()).expect(0);
    let reasons = shop.query(
        "select table_name, action, reason from ops.run_tables inner join ops.runs using (run_id)
         where release = 2 and table_name in ('intermediate.order_days', 'intermediate.product_days',
             'intermediate.interaction_days') order by table_name",
    );
    assert_eq!(
        reasons,
        [
            "intermediate.interaction_days,skipped,nothing that it depends on changed".to_owned(),
            format!("intermediate.order_days,built,landed.orders touched {day}"),
            format!("intermediate.product_days,built,landed.orders touched {day}"),
        ]
    );
    assert!(table_files(&shop, "intermediate.order_days").is_superset(&files));
    let after = shop.tables();
    let other_days = |rows: &[String]| -> Vec<String> {
        rows.iter().filter(|row| !row.contains(&day.to_string())).cloned().collect()
    };
    let (old, new) = (&before["intermediate.order_days"], &after["intermediate.order_days"]);
    assert_eq!(other_days(old), other_days(new));
    assert_ne!(old, new);
    assert!(shop.query(&format!("select count(*) from landed.orders where order_no = '{}'", late.order_no)) == ["1"]);

    let anew = shop.anew();
    anew.night(last_day()).expect(0);
    assert_same(&after, &anew.tables());
}

#[test]
fn a_corrected_object_replaces_what_it_brought() {
    let shop = Shop::after_first_night();
    let rows = shop.query("select count(*) from landed.orders");
    let corrected = (10..30)
        .find_map(|back| deliver_correction(shop.root(), days_before(back), last_day()).ok())
        .expect("a day with a line that can be corrected");
    shop.night(last_day()).expect(0);
    assert_eq!(shop.query("select count(*) from landed.orders"), rows);
    let cents = format!(
        "select cast(net_amount * 100 as bigint) from landed.orders where order_no = '{}' and line_no = {}",
        corrected.order_no, corrected.line_no
    );
    assert_eq!(shop.query(&cents), [corrected.cents_now.to_string()]);
    assert_eq!(
        shop.query("select objects_new, objects_changed from ops.run_sources where source = 'orders' order by run_id desc limit 1"),
        ["0,1"]
    );
    let anew = shop.anew();
    anew.night(last_day()).expect(0);
    assert_same(&shop.tables(), &anew.tables());
    assert_same(&shop.landed(), &anew.landed());
}

#[test]
fn the_next_night_continues_as_if_everything_had_been_there() {
    let shop = Shop::after_first_night();
    deliver_next_day(&shop.settings(), 1).unwrap();
    let next = last_day() + Days::new(1);
    shop.night(next).expect(0);
    assert_eq!(shop.release().as_of, next);
    let anew = shop.anew();
    anew.night(next).expect(0);
    assert_same(&shop.tables(), &anew.tables());
    shop.night(next).expect(0).says(&["nothing to do"]);
}

#[test]
fn a_selection_is_checked_against_tables_outside_of_it() {
    let shop = Shop::after_first_night();
    let next = last_day() + Days::new(1);
    shop.lifecycle(&["run", "nightly", "-s", "marts.churn", "--as-of", &next.to_string()])
        .expect(0)
        .says(&["release 2"]);
    let checks = "select checks.status from ops.checks inner join ops.runs using (run_id)
                  where release = 2 and check_name = 'customer_value.customer_id.relationships'";
    assert_eq!(shop.query(checks), ["passed"]);
    shop.night(next).expect(0);
    let anew = shop.anew();
    anew.night(next).expect(0);
    assert_same(&shop.tables(), &anew.tables());
}
