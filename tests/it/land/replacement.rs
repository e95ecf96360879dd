//! Objects that are delivered anew, vanish, or meet a new contract; landings that meet each other.

use lifecycle::config::{DataType, MaxRejected, UnknownColumns};
use lifecycle::land::{self, LandError, Reland, TouchedDays, Why};

use super::{ORDERS, Zone, column, csv_format, days, decimal, feed, orders, required};

#[tokio::test]
async fn landing_twice_does_nothing() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\n"));
    let first = zone.land(&source).await;
    assert_eq!((first.version, first.committed), (Some(0), true));
    let second = zone.land(&source).await;
    assert_eq!((second.version, second.committed, second.unchanged), (Some(0), false, 1));
    assert!(second.touched.is_empty() && second.objects.is_empty());
}

#[tokio::test]
async fn a_changed_object_replaces_what_it_brought() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put_at("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\nb,1,2024-01-02T10:00:00Z,2\nbad\n"), 10);
    zone.put_at("2.csv", format!("{ORDERS}c,1,2024-01-03T10:00:00Z,3\nbad\n"), 10);
    zone.land(&source).await;
    zone.put_at("1.csv", format!("{ORDERS}a,1,2024-01-04T10:00:00Z,7\n"), 20);
    let report = zone.land(&source).await;
    assert_eq!(report.objects.len(), 1);
    assert_eq!(report.objects[0].again, Some(Why::Content));
    assert_eq!(report.touched, days(&["2024-01-01", "2024-01-02", "2024-01-04"]));
    assert_eq!(zone.rows_with(&source, &["order_id", "quantity"]).await, ["a|7.000", "c|3.000"]);
    let rejected = zone.rejected(&source).await;
    assert_eq!(rejected.iter().map(|row| row.object.as_str()).collect::<Vec<_>>(), ["2.csv"]);
    assert!(!zone.land(&source).await.committed);
}

#[tokio::test]
async fn a_replaced_object_gives_back_what_it_superseded() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put_at("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\nb,1,2024-01-01T11:00:00Z,1\n"), 10);
    zone.put_at("2.csv", format!("{ORDERS}a,1,2024-01-02T10:00:00Z,2\nb,1,2024-01-02T11:00:00Z,2\n"), 20);
    zone.put_at("3.csv", format!("{ORDERS}a,1,2024-01-03T10:00:00Z,3\nb,1,2024-01-03T11:00:00Z,3\n"), 30);
    assert_eq!(zone.land(&source).await.superseded, 4);
    zone.put_at("3.csv", format!("{ORDERS}b,1,2024-01-04T11:00:00Z,4\n"), 40);
    let report = zone.land(&source).await;
    assert_eq!((report.superseded, report.restored), (0, 1));
    // The rows of the third that went, its new one, and the second's that came back.
    assert_eq!(report.touched, days(&["2024-01-02", "2024-01-03", "2024-01-04"]));
    assert_eq!(zone.rows_with(&source, &["order_id", "quantity"]).await, ["a|2.000", "b|4.000"]);
    zone.put_at("2.csv", ORDERS, 50);
    let report = zone.land(&source).await;
    assert_eq!((report.superseded, report.restored), (0, 1));
    assert_eq!(zone.rows_with(&source, &["order_id", "quantity"]).await, ["a|1.000", "b|4.000"]);
}

#[tokio::test]
async fn a_deleted_object_keeps_what_it_brought() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\n"));
    zone.put("2.csv", format!("{ORDERS}b,1,2024-01-01T10:00:00Z,1\n"));
    zone.land(&source).await;
    std::fs::remove_file(zone.path("1.csv")).unwrap();
    let report = zone.land(&source).await;
    assert_eq!((report.gone, report.committed), (vec!["1.csv".to_owned()], false));
    assert_eq!(zone.rows(&source).await.len(), 2);
}

#[tokio::test]
async fn a_new_contract_lands_everything_again() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\nb,1,2024-01-01T10:00:00Z,x\n"));
    zone.put("gone.csv", format!("{ORDERS}c,1,2024-01-02T10:00:00Z,5\n"));
    zone.land(&source).await;
    std::fs::remove_file(zone.path("gone.csv")).unwrap();
    let mut mended = source.clone();
    mended.columns[3] = required("quantity", DataType::Double);
    mended.columns[3].null_values = vec!["x".to_owned()];
    mended.columns[3].required = false;
    mended.columns.push(column("note", DataType::String));
    mended.key = vec!["order_id".to_owned()];
    let plan = land::plan_landing(&zone.request(&zone.locate(&mended))).await.unwrap();
    assert_eq!((plan.diff.changed.len(), plan.diff.changed[0].1, plan.other_contract), (1, Why::Contract, 2));
    let report = zone.land(&mended).await;
    assert_eq!(report.touched, TouchedDays::All);
    assert_eq!(zone.rows_with(&mended, &["order_id", "quantity", "note"]).await, ["a|1.0|-", "b|-|-", "c|5.0|-"]);
    assert!(zone.rejected(&mended).await.is_empty());
    assert!(!zone.land(&mended).await.committed);
    // Masking is not part of what decides the rows.
    mended.columns[3].pii = true;
    assert!(!zone.land(&mended).await.committed);
}

#[tokio::test]
async fn rows_that_cannot_be_read_again_must_fit_a_new_contract() {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), vec![column("v", DataType::String)]);
    zone.put("1.csv", "v\nword\n");
    zone.land(&source).await;
    std::fs::remove_file(zone.path("1.csv")).unwrap();
    zone.put("2.csv", "v\n1\n");
    let stricter = feed("*.csv", csv_format(), vec![column("v", DataType::Integer)]);
    let error = zone.try_land(&stricter).await.unwrap_err();
    assert!(matches!(error, LandError::KeptRows { objects: 1, .. }), "{error}");
    assert_eq!(zone.rows(&source).await, ["word"]);
}

#[tokio::test]
async fn replaying_rejected_objects() {
    let mut zone = Zone::new();
    let source = orders("*.csv");
    zone.put("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\n"));
    zone.put("2.csv", format!("{ORDERS}b,1,2024-01-01T10:00:00Z,x\n"));
    zone.land(&source).await;
    zone.reland = Reland::WithRejected;
    let report = zone.land(&source).await;
    assert_eq!(
        report.objects.iter().map(|object| (object.name.as_str(), object.again)).collect::<Vec<_>>(),
        [("2.csv", Some(Why::Replay))]
    );
    assert_eq!(zone.rejected(&source).await.len(), 1);
}

#[tokio::test]
async fn too_many_rejected_rows_leave_the_table_as_it_was() {
    let zone = Zone::new();
    let mut source = orders("*.csv");
    source.max_rejected = MaxRejected::Share(0.25);
    zone.put("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\n"));
    zone.land(&source).await;
    zone.put("2.csv", format!("{ORDERS}b,1,2024-01-01T10:00:00Z,1\nx\nb,1,2024-01-01T10:00:00Z,z\n"));
    let error = zone.try_land(&source).await.unwrap_err();
    assert_eq!(error.to_string(), "source `feed`: 2 of 3 rows were rejected, more than the limit of 25%");
    let LandError::TooManyRejected { report, .. } = error else { panic!("another error") };
    assert_eq!(report.objects[0].name, "2.csv");
    assert_eq!(report.reasons["`quantity` is not a decimal(12,3)"], 1);
    assert_eq!(zone.snapshot().await.version, 0);
    source.max_rejected = MaxRejected::Rows(2);
    assert!(zone.land(&source).await.committed);
    source.max_rejected = MaxRejected::Rows(0);
    zone.put("3.csv", format!("{ORDERS}x\n"));
    assert!(zone.try_land(&source).await.is_err());
}

#[tokio::test]
async fn a_commit_tells_the_days_that_it_touched() {
    let zone = Zone::new();
    let mut source = orders("*.csv");
    zone.put(
        "1.csv",
        format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\nb,1,2024-01-02T10:00:00Z,2\nc,1,2024-01-09T10:00:00Z,2\n"),
    );
    zone.land(&source).await;
    let metadata = zone.table.commit_metadata(0).await.unwrap().unwrap();
    assert_eq!(TouchedDays::from_commit(&metadata), days(&["2024-01-01", "2024-01-02", "2024-01-09"]));
    source.event_time = None;
    zone.land(&source).await;
    let metadata = zone.table.commit_metadata(1).await.unwrap().unwrap();
    assert_eq!(TouchedDays::from_commit(&metadata), TouchedDays::All);
    assert!(TouchedDays::from_commit(&Default::default()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_landings_at_once_land_once() {
    for round in 0..4 {
        let zone = Zone::new();
        let source = orders("*.csv");
        if round % 2 == 1 {
            zone.put("0.csv", format!("{ORDERS}z,1,2024-01-01T10:00:00Z,1\n"));
            zone.land(&source).await;
        }
        for object in 1..9 {
            zone.put(&format!("{object}.csv"), format!("{ORDERS}k{object},1,2024-01-0{object}T10:00:00Z,1\n"));
        }
        let (one, other, third) = tokio::join!(zone.try_land(&source), zone.try_land(&source), zone.try_land(&source));
        let committed = [one, other, third].into_iter().filter(|report| report.as_ref().unwrap().committed).count();
        assert_eq!(committed, 1);
        assert_eq!(zone.rows(&source).await.len(), 8 + round % 2);
    }
}

#[tokio::test]
async fn a_landing_that_is_dropped_leaves_nothing_visible() {
    let zone = Zone::new();
    let source = zone.locate(&orders("*.csv"));
    for object in 0..20 {
        zone.put(&format!("{object}.csv"), format!("{ORDERS}k{object},1,2024-01-01T10:00:00Z,1\n"));
    }
    let request = zone.request(&source);
    for polls in [1, 3, 10] {
        let mut landing = Box::pin(land::land(&request));
        for _ in 0..polls {
            if futures::poll!(&mut landing).is_ready() {
                panic!("landed too fast for this test");
            }
            tokio::task::yield_now().await;
        }
        drop(landing);
    }
    assert!(zone.table.snapshot().await.unwrap().is_none());
    assert_eq!(land::land(&request).await.unwrap().landed(), 20);
}

#[tokio::test]
async fn days_are_those_of_the_business() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put(
        "1.csv",
        format!("{ORDERS}a,1,2024-06-30T22:59:59Z,1\nb,1,2024-06-30T23:00:00Z,1\nc,1,2024-12-31T23:59:59Z,1\n"),
    );
    let report = zone.land(&source).await;
    assert_eq!(report.touched, days(&["2024-06-30", "2024-07-01", "2024-12-31"]));
    assert_eq!(zone.rows_with(&source, &["order_id", "_day"]).await, ["a|2024-06-30", "b|2024-07-01", "c|2024-12-31"]);
}

#[tokio::test]
async fn added_columns_survive_replacement() {
    let zone = Zone::new();
    let mut source = feed("*.csv", csv_format(), vec![required("id", DataType::Integer), column("v", decimal(8, 2))]);
    source.unknown_columns = UnknownColumns::Add;
    zone.put_at("1.csv", "id,v,extra\n1,1,x\n", 10);
    zone.put_at("2.csv", "id,v\n2,2\n", 10);
    zone.land(&source).await;
    zone.put_at("2.csv", "id,v,more\n2,2,y\n3,3,z\n", 20);
    zone.land(&source).await;
    assert_eq!(zone.rows_with(&source, &["id", "extra", "more"]).await, ["1|x|-", "2|-|y", "3|-|z"]);
    let schema = land::landed_schema(&source, &zone.snapshot().await.schema);
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "v", "extra", "more", "_object", "_line"]);
}
