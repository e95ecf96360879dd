//! The planted dirt: the contracts refuse exactly the rows that were broken, and every kind of dirt is there.

use std::collections::{BTreeMap, BTreeSet};

use super::contract::contracts;
use super::default_business;
use super::files::{feed_rows, objects, rows, text};

#[test]
fn the_contracts_refuse_exactly_the_broken_rows_of_each_object() {
    let (directory, summary) = default_business();
    let contracts = contracts();
    let mut planted = 0;
    for object in &summary.objects {
        let contract = &contracts[object.feed];
        let rows = rows(&directory.path().join(&object.path));
        let faults: Vec<String> = rows.iter().filter_map(|row| contract.fault(row)).collect();
        assert_eq!(rows.len() as u64, object.rows, "rows of {}", object.path);
        assert_eq!(faults.len() as u64, object.broken, "broken rows of {}: {faults:?}", object.path);
        // A night that reads this object alone passes as well.
        assert!(object.broken as f64 <= object.rows as f64 * contract.max_rejected(), "{}", object.path);
        planted += object.broken;
    }
    let rows: u64 = summary.feeds.values().map(|feed| feed.rows).sum();
    let share = planted as f64 / rows as f64;
    assert!((0.004..0.006).contains(&share), "{planted} of {rows} rows are broken");
}

#[test]
fn every_source_of_the_job_is_fed_and_every_object_belongs_to_one() {
    let (directory, summary) = default_business();
    let written: BTreeSet<String> = summary.objects.iter().map(|object| object.path.clone()).collect();
    assert_eq!(written, objects(directory.path()).into_iter().collect());
    let contracts = contracts();
    assert_eq!(
        contracts.keys().map(String::as_str).collect::<Vec<_>>(),
        summary.feeds.keys().copied().collect::<Vec<_>>()
    );
    for object in &summary.objects {
        let location =
            contracts[object.feed].location().replace("${raw}", "raw").replace("{day}", &object.date.to_string());
        let (folder, ending) = location.split_once('*').unwrap();
        assert!(
            object.path.starts_with(folder) && object.path.ends_with(ending),
            "{} is not at {location}",
            object.path
        );
    }
    for (feed, totals) in &summary.feeds {
        assert!(totals.rows > 0, "{feed} has no rows");
    }
}

#[test]
fn every_day_has_its_orders_and_visits() {
    let (directory, summary) = default_business();
    for feed in ["orders", "visits"] {
        for day in summary.first_day.iter_days().take_while(|day| *day <= summary.last_day) {
            let folder = directory.path().join(format!("raw/{feed}/date={day}"));
            assert!(folder.exists(), "{feed} of {day}");
        }
    }
}

#[test]
fn every_kind_of_breakage_occurs() {
    let (directory, summary) = default_business();
    let contracts = contracts();
    let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for object in summary.objects.iter().filter(|object| object.broken > 0) {
        for row in rows(&directory.path().join(&object.path)) {
            let Some(fault) = contracts[object.feed].fault(&row) else { continue };
            let kind = match fault.as_str() {
                fault if fault.contains("fields") => "fields",
                fault if fault.contains("is missing") => "missing",
                fault if fault.contains("is no timestamp") || fault.contains("is no date") => "time",
                fault if fault.contains("is no ") => "number",
                fault if fault.contains("is not accepted") => "word",
                _ => "json",
            };
            *kinds.entry((object.feed, kind)).or_default() += 1;
        }
    }
    for (feed, kind) in [
        ("orders", "fields"),
        ("orders", "missing"),
        ("orders", "time"),
        ("orders", "number"),
        ("orders", "word"),
        ("visits", "json"),
        ("visits", "missing"),
        ("visits", "time"),
        ("visits", "word"),
        ("messages", "missing"),
        ("messages", "word"),
        ("surveys", "time"),
        ("customers", "time"),
    ] {
        assert!(kinds.contains_key(&(feed, kind)), "no {kind} among the broken rows of {feed}: {kinds:?}");
    }
}

#[test]
fn rows_come_twice_and_late() {
    let (directory, summary) = default_business();
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    let (mut twice, mut late, mut latest) = (0, 0, 0);
    let contract = &contracts()["visits"];
    for (object, row) in feed_rows(directory.path(), "visits") {
        if contract.fault(&row).is_some() {
            continue;
        }
        let row = row.unwrap();
        let id = row["event_id"].clone().unwrap();
        let content = format!("{row:?}");
        let at: chrono::NaiveDate = row["at"].as_ref().unwrap()[..10].parse().unwrap();
        let delivered: chrono::NaiveDate = object.split("date=").nth(1).unwrap()[..10].parse().unwrap();
        let days = (delivered - at).num_days();
        latest = latest.max(days);
        late += u64::from(days > 1);
        if let Some((earlier, before)) = seen.insert(id, (object.clone(), content.clone())) {
            assert!(earlier < object, "a copy lies in a later object");
            assert_eq!(before, content);
            twice += 1;
        }
    }
    assert!(twice > 20 && late > 20, "{twice} twice, {late} late");
    assert!(latest <= 10, "{latest} days late");
    assert_eq!(summary.feeds["visits"].twice, twice);
}

#[test]
fn columns_come_midway() {
    let (directory, summary) = default_business();
    let header = |day: chrono::NaiveDate| {
        let path = directory.path().join(format!("raw/orders/date={day}/orders.csv.gz"));
        text(&path).lines().next().unwrap().to_owned()
    };
    assert!(!header(summary.first_day).contains("gift_wrap"));
    assert!(header(summary.last_day).contains(",campaign_code,gift_wrap,sold_at,"));
    let device = |day: chrono::NaiveDate| {
        text(&directory.path().join(format!("raw/visits/date={day}/visits.ndjson.gz"))).contains("\"device\"")
    };
    assert!(!device(summary.first_day) && device(summary.last_day));
}

#[test]
fn the_oddities_of_real_life_occur() {
    let (directory, _) = default_business();
    let contract = contracts();
    let good = |feed: &str| -> Vec<BTreeMap<String, Option<String>>> {
        let rows = feed_rows(directory.path(), feed).into_iter().map(|(_, row)| row);
        rows.filter(|row| contract[feed].fault(row).is_none()).map(Result::unwrap).collect()
    };
    let orders = good("orders");
    let count =
        |test: &dyn Fn(&BTreeMap<String, Option<String>>) -> bool| orders.iter().filter(|row| test(row)).count();
    assert!(count(&|row| row["customer_no"].is_none()) > 50, "lines without a customer");
    assert!(count(&|row| row["net_amount"].as_ref().unwrap().starts_with('-')) > 50, "returns");
    assert!(count(&|row| row["net_amount"].as_deref() == Some("0.00")) > 5, "free purchases");
    assert!(count(&|row| row["margin"].is_none()) > 50, "lines without a margin");
    assert!(good("products").iter().any(|row| row["category"].is_none()), "products without a category");
    let customers = good("customers");
    assert!(customers.iter().any(|row| row["status"].as_deref() == Some("deleted")), "deleted profiles");
    assert!(customers.iter().any(|row| row["may_contact"].as_deref() == Some("false")));
    let service = good("service");
    assert!(
        service.iter().any(|row| row["note"].as_ref().is_some_and(|note| note.contains('\n'))),
        "line breaks in notes"
    );
    let members = good("campaign_members");
    for arm in [Some("treatment"), Some("control"), None] {
        assert!(members.iter().any(|row| row["arm"].as_deref() == arm), "{arm:?}");
    }
    let objectives: BTreeSet<_> = good("campaigns").iter().map(|row| row["objective"].clone()).collect();
    assert_eq!(objectives.len(), 5);
    let reasons: BTreeSet<_> = good("surveys").iter().filter_map(|row| row["reason"].clone()).collect();
    assert!(reasons.len() > 12, "{reasons:?}");
    // Two numbers of one customer, and visitors who turned out to be one.
    let aliases: Vec<_> = good("identities").iter().filter_map(|row| row["alias"].clone()).collect();
    assert!(aliases.iter().any(|alias| alias.starts_with('c')) && aliases.iter().any(|alias| alias.starts_with('a')));
}
