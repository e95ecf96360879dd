//! Refused rows of objects that are gone from the drop zone: read from the text that was kept of them, where all of it was.

use lifecycle::config::{ColumnContract, CsvOptions, DataType, Delimiter, Format, Source, UnknownColumns};
use lifecycle::land::{KeptRecords, Reland};

use super::{Desk, HEADER};
use crate::land::{ORDERS, Zone, column, csv_format, feed, gzip, orders, required};

fn pairs() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("name", DataType::String)]
}

/// The same with ids as text.
fn mended(source: &Source) -> Source {
    let mut mended = source.clone();
    mended.columns[0] = required("id", DataType::String);
    mended
}

async fn lands(source: &Source, name: &str, bytes: &[u8], mend: impl Fn(&Source) -> Source) -> (Zone, KeptRecords) {
    let zone = Zone::new();
    zone.put(name, bytes);
    zone.put("stays", if source.format == Format::NdJson { "{\"id\":0}\n" } else { "id,name\n0,\n" });
    zone.land(source).await;
    std::fs::remove_file(zone.path(name)).unwrap();
    let mended = mend(source);
    let report = zone.land(&mended).await;
    // Under the same contract a replay has nothing more to do.
    let rows = zone.rows(&mended).await;
    let rejected = zone.rejected(&mended).await;
    let mut zone = zone;
    zone.reland = Reland::WithRejected;
    assert!(!zone.land(&mended).await.committed);
    assert_eq!((zone.rows(&mended).await, zone.rejected(&mended).await), (rows, rejected));
    (zone, report.kept)
}

#[tokio::test]
async fn csv_records_are_read_with_the_header_of_their_object() {
    let source = feed("*", csv_format(), pairs());
    let text = "name,more,id\n\"a, b\",,1\n\"two\nlines\",,x2\nc,,x3\nd\n";
    let (zone, kept) = lands(&source, "gone.csv", text.as_bytes(), mended).await;
    assert_eq!(kept, KeptRecords { landed: 2, refused: 1 });
    let source = mended(&source);
    let rows = zone.rows_with(&source, &["_object", "_line", "id", "name"]).await;
    assert_eq!(rows, ["gone.csv|2|1|a, b", "gone.csv|3|x2|two\nlines", "gone.csv|5|x3|c", "stays|2|0|-"]);
    assert_eq!(zone.reasons(&source).await, ["6@45 the record has 1 field where the header has 3"]);
}

#[tokio::test]
async fn json_records_are_read_as_they_came() {
    let mut source = feed("*", Format::NdJson, pairs());
    source.unknown_columns = UnknownColumns::Add;
    let text = "{\"id\":1}\n{\"id\":\"x\",\"Extra\":[1, 2]}\n{\"id\":\"\\u0079\",\"name\":\"n\"}\n{broken\n";
    let (zone, kept) = lands(&source, "gone.ndjson", text.as_bytes(), mended).await;
    assert_eq!(kept, KeptRecords { landed: 2, refused: 1 });
    let rows = zone.rows_with(&mended(&source), &["_line", "id", "name", "extra"]).await;
    assert_eq!(rows, ["1|0|-|-", "1|1|-|-", "2|x|-|[1, 2]", "3|y|n|-"]);
}

#[tokio::test]
async fn what_was_not_kept_whole_stays_refused() {
    // The rest of a damaged object, an object without a usable header, text that is not UTF-8.
    let source = feed("*", csv_format(), pairs());
    let whole = gzip(format!("id,name\nx,a\n{}", "y,bbbbbbbbbbbb\n".repeat(3000)).as_bytes());
    let (zone, kept) = lands(&source, "gone.csv.gz", &whole[..whole.len() - 9], mended).await;
    assert_eq!(kept.refused, 1);
    let rows = zone.rows(&mended(&source)).await;
    assert_eq!(rows.len() as u64, kept.landed + 1);
    assert!(zone.reasons(&source).await[0].ends_with("the gzip data ends in the middle"));
    let (_, kept) = lands(&source, "gone.csv", b"alien;names\n1;2\n", mended).await;
    assert_eq!(kept, KeptRecords { landed: 0, refused: 1 });
    let (zone, kept) = lands(&source, "gone.csv", b"id,name\nx,\xff\ny,z\n", mended).await;
    assert_eq!(kept, KeptRecords { landed: 1, refused: 1 });
    assert!(zone.reasons(&source).await[0].contains("not UTF-8"));
}

#[tokio::test]
async fn broken_quotes_are_mended_by_a_contract_without_quotes() {
    let source = feed("*", csv_format(), pairs());
    let without = |source: &Source| Source {
        format: Format::Csv(CsvOptions { delimiter: Delimiter::Byte(b','), header: true, quote: None }),
        ..source.clone()
    };
    let (zone, kept) = lands(&source, "gone.csv", b"id,name\n1,\"6 inch\n2,\"x\" y\n3,z\n", without).await;
    assert_eq!(kept, KeptRecords { landed: 2, refused: 0 });
    assert_eq!(zone.rows(&source).await, ["0|-", "1|\"6 inch", "2|\"x\" y", "3|z"]);
    assert!(zone.rejected(&source).await.is_empty());
}

/// The newest version of a key wins, also where it was refused at first and its object is gone.
#[tokio::test]
async fn keys_and_days_are_those_of_the_mended_rows() {
    let zone = Zone::new();
    let mut source = orders("*.csv");
    source.columns[3].max = Some("5".to_owned());
    zone.put_at("1.csv", format!("{ORDERS}a,1,2024-01-01T10:00:00Z,1\nb,1,2024-01-01T10:00:00Z,1\n"), 10);
    zone.put_at("2.csv", format!("{ORDERS}a,1,2024-01-02T10:00:00Z,7\n"), 20);
    zone.put_at("3.csv", format!("{ORDERS}b,1,2024-01-03T10:00:00Z,2\n"), 30);
    zone.land(&source).await;
    std::fs::remove_file(zone.path("2.csv")).unwrap();
    source.columns[3].max = None;
    let report = zone.land(&source).await;
    assert_eq!(report.kept, KeptRecords { landed: 1, refused: 0 });
    let rows = zone.rows_with(&source, &["order_id", "quantity", "_day"]).await;
    assert_eq!(rows, ["a|7.000|2024-01-02", "b|2.000|2024-01-03"]);
    let landed = zone.rows_with(&source, &["_object", "_line"]).await;
    assert_eq!(landed, ["2.csv|2", "3.csv|2"]);
    // The object comes back as it was: it replaces what was read from the kept text.
    zone.put_at("2.csv", format!("{ORDERS}a,1,2024-01-02T10:00:00Z,7\n"), 20);
    let report = zone.land(&source).await;
    assert_eq!(report.objects.len(), 1);
    assert_eq!(zone.rows_with(&source, &["order_id", "quantity", "_day"]).await, rows);
}

#[test]
fn the_command_says_what_is_gone() {
    let desk = Desk::new();
    desk.edit(
        "jobs/nightly.yaml",
        "quantity: {type: integer, required: true}",
        "quantity: {type: integer, required: true, max: 5}",
    );
    desk.write(
        "raw/orders/1.csv",
        format!("{HEADER}a,2025-03-01T10:00:00Z,ann@example.org,10\nb,2025-03-01T10:00:00Z,,1\nc,2025-03-01\n"),
    );
    desk.write("raw/orders/2.csv", format!("{HEADER}d,2025-03-02T10:00:00Z,,20\n"));
    desk.night().expect(0);
    std::fs::remove_file(desk.path("raw/orders/1.csv")).unwrap();
    desk.edit("jobs/nightly.yaml", ", max: 5}", "}");
    let dry = desk.lifecycle(&["rejected", "replay", "--dry-run", "-o", "csv"]).expect(0);
    let dry = dry.says(&["orders: 2 refused rows of objects that are gone from the drop zone"]);
    assert_eq!(dry.stdout.lines().nth(1), Some("orders,nightly,3,2,1,62"));
    let ran = desk
        .replay()
        .expect(0)
        .says(&["2 refused rows of objects that are gone: 1 landed from the text that was kept"]);
    assert_eq!(ran.stdout.lines().nth(1), Some("orders,3,2,1,0"));
    desk.night().expect(0);
    assert_eq!(
        desk.query("select order_id, email, quantity, _line from landed.orders order by order_id"),
        ["a,ann@example.org,10,2", "b,,1,3", "d,,20,2"]
    );
    assert_eq!(
        desk.query("select day, orders, quantity from marts.totals order by day"),
        ["2025-03-01,2,11", "2025-03-02,1,20"]
    );
}
