//! Runs that do not publish: what they say, and that everything else is as it was.

use lifecycle::demo::deliver_late_object;

use super::{Shop, assert_same, days_before, last_day};

/// The small business with a check of `marts.churn` that fails, and data that makes it run.
fn with_check(severity: &str) -> Shop {
    let shop = Shop::after_first_night();
    let check = format!(
        "checks:\n  - name: nobody_spends\n    severity: {severity}\n    description: A check that fails.\n    \
         sql: select customer_id from marts.churn where revenue_now >= 0\n  - name: every_buyer_once\n"
    );
    shop.edit("sql/marts/churn.yaml", "checks:\n  - name: every_buyer_once\n", &check);
    deliver_late_object(shop.root(), days_before(3), "c000002", last_day()).unwrap();
    shop
}

#[test]
fn a_failed_check_stops_the_release() {
    let shop = with_check("error");
    let before = (shop.published(), shop.data_files(), shop.tables());
    shop.night(last_day()).expect(4).says(&[
        "nobody_spends",
        "bad rows",
        "customer_id c000",
        "tables are as they were",
    ]);
    assert_eq!(shop.published(), before.0);
    assert_eq!(shop.data_files(), before.1, "no candidate is left over");
    assert_same(&before.2, &shop.tables());
    assert_eq!(
        shop.query("select status, bad_rows > 0 from ops.checks where check_name like '%nobody_spends'"),
        ["failed,true"]
    );
    assert_eq!(shop.query("select status from ops.runs order by started_at desc limit 1"), ["checks_failed"]);

    // What landed has stayed; with the check mended the tables catch up.
    shop.edit("sql/marts/churn.yaml", "revenue_now >= 0", "revenue_now < -1000000");
    shop.night(last_day()).expect(0);
    let anew = shop.anew();
    anew.night(last_day()).expect(0);
    assert_same(&shop.tables(), &anew.tables());
}

#[test]
fn a_check_that_is_edited_runs_though_no_data_changed() {
    let shop = Shop::after_first_night();
    let before = shop.published();
    let check = "checks:\n  - name: nobody_buys\n    description: A check that fails.\n    \
                 sql: select customer_id from marts.churn\n  - name: every_buyer_once\n";
    shop.edit("sql/marts/churn.yaml", "checks:\n  - name: every_buyer_once\n", check);
    shop.night(last_day()).expect(4).says(&["nobody_buys"]);
    assert_eq!(shop.published(), before);
    shop.edit(
        "sql/marts/churn.yaml",
        "select customer_id from marts.churn\n",
        "select customer_id from marts.churn where false\n",
    );
    shop.night(last_day()).expect(0).says(&["built    1 table"]);
    assert_eq!(
        shop.query("select reason from ops.run_tables where action = 'built' and reason like '%checks%'"),
        ["its checks changed"; 2]
    );
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
}

#[test]
fn a_warning_is_recorded_and_publishes() {
    let shop = with_check("warn");
    shop.night(last_day()).expect(0).says(&["warning", "nobody_spends", "bad rows"]);
    assert_eq!(shop.release_numbers(), [1, 2]);
    assert_eq!(
        shop.query("select severity, status, bad_rows > 0 from ops.checks where check_name like '%nobody_spends'"),
        ["warn,failed,true"]
    );
}

#[test]
fn a_missing_location_is_named() {
    let shop = Shop::before_first_night();
    std::fs::remove_dir_all(shop.path("raw")).unwrap();
    shop.night(last_day()).expect(1).says(&["location", "raw", "does not exist", "hint: check `location`"]);
    assert!(shop.release_numbers().is_empty());
}

#[test]
fn an_empty_drop_zone_gives_empty_tables() {
    let shop = Shop::empty();
    // The feeds' folders are there: without them the location is a mistake.
    for source in &shop.project().jobs["nightly"].sources {
        std::fs::create_dir_all(shop.path(&format!("raw/{}", source.name))).unwrap();
    }
    shop.night(last_day()).expect(0);
    let tables = shop.tables();
    assert!(tables["marts.churn"].is_empty() && tables["marts.customer_value"].is_empty());
    assert_eq!(shop.query("select base, customers from marts.churn_summary"), ["0,0"]);
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
}

#[test]
fn too_many_rejected_rows_land_nothing() {
    let shop = Shop::after_first_night();
    let before = (shop.published(), shop.landed());
    let rows: String =
        (0..30).map(|line| format!("o77{line},1,c000001,,p001,many,9.99,1.00,,false,nonsense,store\n")).collect();
    let header = "order_no,line_no,customer_no,email,sku,quantity,net_amount,margin,campaign_code,gift_wrap,sold_at,sales_channel\n";
    let path = shop.path(&format!("raw/orders/date={}/broken.csv.gz", last_day()));
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(path).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, format!("{header}{rows}").as_bytes()).unwrap();
    packed.finish().unwrap();
    shop.night(last_day()).expect(1).says(&[
        "orders",
        "30 times: ",
        &format!("object orders/date={}/broken.csv.gz: 30 of 30 rows", last_day()),
        "max_rejected",
    ]);
    assert_eq!(shop.published(), before.0);
    assert_same(&before.1, &shop.landed());
}

#[test]
fn what_nothing_is_called_gets_a_suggestion() {
    let shop = Shop::after_first_night();
    let before = shop.published();
    shop.lifecycle(&["run", "nigthly"]).expect(2).says(&["there is no job `nigthly`", "did you mean `nightly`?"]);
    shop.lifecycle(&["run", "nightly", "-s", "marts.chrun"]).expect(2).says(&["marts.chrun", "did you mean", "churn"]);
    shop.lifecycle(&["run", "nightly", "--var", "churn_window_dais=30"]).expect(2).says(&[
        "churn_window_dais",
        "did you mean",
        "churn_window_days",
    ]);
    shop.lifecycle(&["run", "nightly", "--var", "churn_window_days=soon"])
        .expect(2)
        .says(&["churn_window_days", "soon"]);
    assert_eq!(shop.published(), before);
    assert_eq!(shop.query("select count(*) from ops.runs where status <> 'succeeded'"), ["0"], "mistakes are no runs");
}

#[test]
fn a_location_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::before_first_night();
    let folder = shop.path("raw/orders");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).unwrap();
    let is_refused = std::fs::read_dir(&folder).is_err();
    let ran = is_refused.then(|| shop.night(last_day()));
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    // A superuser reads everything.
    if let Some(ran) = ran {
        ran.expect(1).says(&["orders", "may not be read", "hint: let this user read the folder"]);
    }
}

#[test]
fn rows_that_break_a_promise_of_the_columns_are_counted_and_shown() {
    let shop = Shop::after_first_night();
    let before = shop.published();
    let end = "select * from final\n";
    shop.edit(
        "sql/marts/churn.sql",
        end,
        "select * from final\nunion all\nselect * from final where revenue_now > 0\n",
    );
    let buyers = shop.query("select count(*) from marts.churn where revenue_now > 0");
    let told = format!("{} bad rows", buyers[0]);
    shop.night(last_day()).expect(4).says(&["churn.grain", &told, "customer_id c0"]);
    assert_eq!(shop.published(), before);
    shop.edit(
        "sql/marts/churn.sql",
        "select * from final\nunion all\nselect * from final where revenue_now > 0\n",
        "select * replace (nullif(category, 'none') as category) from final\n",
    );
    shop.night(last_day()).expect(4).says(&["churn.category.not_null", "bad rows", "customer_id c0"]);
    assert_eq!(shop.published(), before);
}
