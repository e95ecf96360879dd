//! CSV with the dirt of real life.

use lifecycle::config::{ColumnContract, CsvOptions, DataType, Delimiter, Format, UnknownColumns};

use super::{Zone, column, csv_format, feed, required};

fn names() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("name", DataType::String)]
}

#[tokio::test]
async fn reads_quotes_breaks_marks_and_any_order_of_columns() {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), names());
    let text = "\u{feff}name,other,id\r\n\"a, \"\"b\"\"\",x,1\r\n\"two\nlines\",,2\r\n\r\n,y,3\r\nlast,,4";
    zone.put("a.csv", text);
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.rejected()), (4, 4, 0));
    assert_eq!(zone.rows(&source).await, ["1|a, \"b\"", "2|two\nlines", "3|-", "4|last"]);
    // Physical lines: the second record has two, an empty line stands before the third.
    assert_eq!(zone.rows_with(&source, &["_line", "id"]).await, ["2|1", "3|2", "6|3", "7|4"]);
}

#[tokio::test]
async fn empty_and_header_only_objects_are_landed_without_rows() {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), names());
    zone.put("empty.csv", "");
    zone.put("header.csv", "id,name\n");
    zone.put("broken-off.csv", "id,name");
    let report = zone.land(&source).await;
    assert_eq!((report.objects.len(), report.rows_in()), (3, 0));
    assert!(report.committed);
    assert!(!zone.land(&source).await.committed);
}

#[tokio::test]
async fn every_refused_record_is_kept_with_its_place() {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), names());
    let bytes = b"id,name\n1,a\nx,b\n2,b,c\n3\n,d\n4,\xff\xfe\n5,\"e\" f\n6,\"open\n7,g\n";
    zone.put("dirt.csv", bytes);
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.rejected()), (9, 2, 7));
    assert_eq!(zone.rows(&source).await, ["1|a", "7|g"]);
    assert_eq!(
        zone.reasons(&source).await,
        [
            "3@12 `id` is not an integer: `x`",
            "4@16 the record has 3 fields where the header has 2",
            "5@22 the record has 1 field where the header has 2",
            "6@24 `id` is required and is missing",
            "7@27 the record is not UTF-8: byte 3 of it; shown with replacement characters",
            "8@32 text follows a closing quote",
            "9@40 a quote is opened and not closed",
        ]
    );
    let rejected = zone.rejected(&source).await;
    assert_eq!(rejected[0].raw, "x,b");
    assert_eq!(rejected[0].column.as_deref(), Some("id"));
    assert_eq!(rejected[4].raw, "4,\u{fffd}\u{fffd}");
    assert_eq!(rejected[6].raw, "6,\"open");
    assert_eq!(rejected[6].object, "dirt.csv");
    assert_eq!(report.reasons["`id` is not an integer"], 1);
}

#[tokio::test]
async fn a_header_that_cannot_be_used_rejects_the_object_as_one_record() {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), names());
    zone.put("alien.csv", "a;b\n1;2\n");
    zone.put("good.csv", "id,name\n1,a\n");
    zone.put("twice.csv", "id,id\n1,2\n3,4\n");
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.rejected()), (3, 1, 2));
    assert_eq!(
        zone.reasons(&source).await,
        ["1@0 the header has none of the contract's columns", "1@0 `id` stands twice in the header"]
    );
}

#[tokio::test]
async fn a_column_added_midway_is_ignored_added_or_refused() {
    for (policy, landed, rejected) in
        [(UnknownColumns::Ignore, 3, 0), (UnknownColumns::Add, 3, 0), (UnknownColumns::Reject, 1, 2)]
    {
        let zone = Zone::new();
        let mut source = feed("*.csv", csv_format(), names());
        source.unknown_columns = policy;
        zone.put("1.csv", "id,name\n1,a\n");
        zone.land(&source).await;
        zone.put("2.csv", "id,Loyalty Level,name\n2,gold,b\n3,,c\n");
        let report = zone.land(&source).await;
        assert_eq!((report.landed() + 1, report.rejected()), (landed, rejected), "{policy:?}");
        if policy == UnknownColumns::Add {
            assert_eq!(zone.rows_with(&source, &["id", "loyalty_level"]).await, ["1|-", "2|gold", "3|-"]);
            // The column stays when later objects do not have it.
            zone.put("3.csv", "id,name\n4,d\n");
            zone.land(&source).await;
            assert_eq!(zone.rows_with(&source, &["id", "loyalty_level"]).await, ["1|-", "2|gold", "3|-", "4|-"]);
        }
        if policy == UnknownColumns::Reject {
            let reasons = zone.reasons(&source).await;
            assert_eq!(reasons[0], "2@22 `Loyalty Level` is not a column of the contract");
        }
    }
}

#[tokio::test]
async fn blanks_separate_fields_and_headers_may_be_missing() {
    let zone = Zone::new();
    let options = CsvOptions { delimiter: Delimiter::Whitespace, header: false, quote: None };
    let mut source = feed("*.txt", Format::Csv(options), names());
    source.columns.push(column("amount", super::decimal(10, 2)));
    zone.put("a.txt", " 00004  one\t 29.33\r\n   \n 00005  two \n 6 three 1.00 more\n7 four 2.5");
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed()), (4, 3));
    assert_eq!(zone.rows(&source).await, ["4|one|29.33", "5|two|-", "7|four|2.50"]);
    assert_eq!(zone.reasons(&source).await, ["4@37 the record has 4 fields where the contract has 3"]);
}

#[tokio::test]
async fn a_record_that_is_far_too_long_is_refused_and_passed_over() {
    for block in [7, 64, 1 << 20] {
        let mut zone = Zone::new();
        zone.sizes.read = lifecycle::land::ReadSizes { block_bytes: block, record_bytes: 40 };
        let source = feed("*.csv", csv_format(), names());
        let long = "y".repeat(300);
        zone.put("a.csv", format!("id,name\n1,a\n2,{long}\n3,\"never closed\n4,{long}\n5,e"));
        let report = zone.land(&source).await;
        assert_eq!(zone.rows(&source).await, ["1|a", "5|e"], "block {block}");
        assert_eq!(
            zone.reasons(&source).await,
            [
                "3@12 the record is longer than 40 bytes; its start is kept",
                "4@315 a quote is opened and not closed",
                "5@331 the record is longer than 40 bytes; its start is kept",
            ]
        );
        assert_eq!(report.rows_in(), 5);
    }
}

#[tokio::test]
async fn values_of_pii_columns_are_hidden() {
    let zone = Zone::new();
    let mut source = feed("*.csv", csv_format(), names());
    source.columns.push(ColumnContract { pii: true, ..column("email", DataType::Integer) });
    source.columns.push(column("born", DataType::Date));
    zone.put("a.csv", "born,email,id\n1990-01-01,ann@example.org,1\nnever,12,2\n1990-01-01,a@b.c,\"x\"y\n");
    zone.land(&source).await;
    let rejected = zone.rejected(&source).await;
    assert_eq!(rejected[0].reason, "`email` is not an integer: (hidden)");
    assert_eq!(rejected[0].raw, "1990-01-01,***,1");
    assert_eq!(rejected[1].reason, "`born` is not a date: `never`");
    assert_eq!(rejected[1].raw, "never,***,2");
    assert!(!rejected[2].raw.contains("a@b.c"), "{}", rejected[2].raw);
}
