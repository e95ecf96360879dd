//! Which objects are a source's, and what a listing means.

use std::collections::BTreeSet;

use lifecycle::config::DataType;
use lifecycle::land::{self, LandError, Template};

use super::{ORDERS, Zone, column, csv_format, day, feed, orders};

async fn names(zone: &Zone, location: &str) -> Vec<String> {
    let source = zone.locate(&feed(location, csv_format(), vec![column("v", DataType::String)]));
    let listing = land::discover(&zone.stores, &source, &zone.raw).await.unwrap();
    listing.objects.into_iter().map(|object| object.name).collect()
}

#[tokio::test]
async fn globs_and_days() {
    let zone = Zone::new();
    for name in [
        "orders/date=2024-01-01/a.csv",
        "orders/date=2024-01-02/a.csv",
        "orders/date=2024-01-02/deep/b.csv",
        "orders/date=2024-01-03/c.csv.gz",
        "orders/date=2024-13-45/a.csv",
        "orders/notes.txt",
        "orders/x y#1.csv",
    ] {
        zone.put(name, "v\n");
    }
    assert_eq!(
        names(&zone, "orders/date={day}/*.csv").await,
        ["orders/date=2024-01-01/a.csv", "orders/date=2024-01-02/a.csv"]
    );
    assert_eq!(names(&zone, "orders/date={day}/**/*.csv*").await.len(), 4);
    assert_eq!(names(&zone, "orders/*.csv").await, ["orders/x y#1.csv"]);
    assert_eq!(names(&zone, "orders/x%20y%231.csv").await, ["orders/x y#1.csv"]);
    assert_eq!(names(&zone, "orders/date={day}/[ab].csv").await.len(), 2);
    assert_eq!(names(&zone, "orders/date={day}/a.csv").await.len(), 2);
    assert_eq!(names(&zone, "orders/notes.txt").await, ["orders/notes.txt"]);
}

#[test]
fn days_of_names() {
    let template = Template::parse("s3://bucket/in/*/orders-{day}-*.csv").unwrap();
    assert_eq!(template.folder.as_str(), "s3://bucket/in/");
    assert_eq!(template.day_of("2020-01-01/orders-2024-01-31-x.csv"), Some(day("2024-01-31")));
    assert!(template.matches("2020-01-01/orders-2024-01-31-x.csv"));
    assert!(!template.matches("2020-01-01/orders-2024-02-31-x.csv"));
    assert!(Template::parse("no url").is_err());
    assert!(Template::parse("file:///folder/").is_err());
}

#[tokio::test]
async fn a_missing_folder_is_an_error_and_an_empty_one_is_not() {
    let zone = Zone::new();
    let error = zone.try_land(&orders("nowhere/*.csv")).await.unwrap_err();
    assert!(matches!(error, LandError::LocationMissing { .. }), "{error}");
    assert!(error.to_string().starts_with("source `feed`: location `file:///"), "{error}");
    assert!(error.to_string().ends_with("/nowhere/*.csv` does not exist"), "{error}");
    let error = zone.try_land(&orders("orders.csv")).await.unwrap_err();
    assert!(matches!(error, LandError::LocationMissing { .. }), "{error}");
    let report = zone.land(&orders("*.csv")).await;
    assert_eq!((report.version, report.committed), (None, false));
    zone.put("notes.txt", "x");
    let plan = land::plan_landing(&zone.request(&zone.locate(&orders("*.csv")))).await.unwrap();
    assert_eq!((plan.diff.objects(), plan.others), (0, 1));
}

#[tokio::test]
async fn a_plan_counts_and_reads_nothing() {
    let zone = Zone::new();
    let source = orders("{day}.csv");
    zone.put_at("2024-01-01.csv", ORDERS, 1);
    zone.land(&source).await;
    zone.put_at("2024-01-02.csv", ORDERS, 1);
    zone.put_at("2024-01-01.csv", format!("{ORDERS}\n"), 2);
    let plan = land::plan_landing(&zone.request(&zone.locate(&source))).await.unwrap();
    assert_eq!((plan.diff.new.len(), plan.diff.changed.len(), plan.diff.unchanged), (1, 1, 0));
    assert_eq!(plan.diff.bytes() as usize, 2 * ORDERS.len() + 1);
    assert_eq!(plan.diff.days(), BTreeSet::from([day("2024-01-01"), day("2024-01-02")]));
    assert_eq!(plan.version(), Some(0));
}
