//! Objects that are no files of the kind their source promises, or far larger.

use lifecycle::config::{ColumnContract, DataType, Format, MaxRejected, UnknownColumns};
use lifecycle::land::{LandError, Why};

use crate::land::{Zone, column, csv_format, feed, gzip, required};

const MIB: usize = 1 << 20;

fn pairs() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("name", DataType::String)]
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// So many rows of 16 bytes, behind a header of 8.
fn rows(count: usize) -> Vec<u8> {
    let mut text = b"id,name\n".to_vec();
    for row in 0..count {
        text.extend_from_slice(format!("{row:07},abcdefg\n").as_bytes());
    }
    text
}

#[tokio::test]
async fn an_object_over_the_limit_is_cut_and_says_so() {
    let mut outcomes = Vec::new();
    for block in [100, 4096, MIB] {
        let zone = Zone::new().with_tiny_sizes(block);
        let mut source = feed("*", csv_format(), pairs());
        source.max_object_bytes = 8 + 16 * 1000 + 5;
        zone.put("bomb.csv.gz", gzip(&rows(5000)));
        zone.put("bomb.csv.zst", zstd(&rows(5000)));
        zone.put("exact.csv.gz", gzip(&rows(1000)));
        zone.put("plain.csv", rows(5000));
        let report = zone.land(&source).await;
        assert_eq!(report.objects.iter().map(|object| object.is_cut).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!((report.landed(), report.rejected()), (4000, 3));
        let reason = "the object holds more than 16013 bytes of data, and the rest was not read: `max_object_bytes` is the limit";
        let reasons = zone.reasons(&source).await;
        assert_eq!(reasons, vec![format!("1002@16008 {reason}"); 3]);
        // What was read of the record that was cut through is kept.
        assert_eq!(zone.rejected(&source).await[0].raw, "00010");
        assert!(!zone.land(&source).await.committed, "the same limit cuts at the same place");
        outcomes.push(zone.rows_with(&source, &["_object", "_line", "id"]).await);

        // Another limit reads the objects again that were cut, and no other.
        source.max_object_bytes = MIB as u64;
        let report = zone.land(&source).await;
        let again: Vec<_> = report.objects.iter().map(|object| (object.name.as_str(), object.again)).collect();
        let contract = Some(Why::Contract);
        assert_eq!(again, [("bomb.csv.gz", contract), ("bomb.csv.zst", contract), ("plain.csv", contract)]);
        assert_eq!((report.landed(), report.rejected()), (15_000, 0));
        assert_eq!(zone.rows(&source).await.len(), 16_000);
        assert!(!zone.land(&source).await.committed);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[1], outcomes[2]);
}

#[tokio::test]
async fn a_bomb_costs_one_rejected_row_and_stops_the_landing_only_where_that_is_too_many() {
    let zone = Zone::new();
    let mut source = feed("*", Format::NdJson, pairs());
    source.max_object_bytes = 8 * MIB as u64;
    source.max_rejected = MaxRejected::Rows(2);
    // 40 MiB in 40 kB; one line, and nothing but zeros.
    let mut bomb = b"{\"id\":1}\n".to_vec();
    bomb.resize(40 * MIB, 0);
    zone.put("bomb.ndjson.gz", gzip(&bomb));
    zone.put("bomb.ndjson.zst", zstd(&bomb));
    zone.put("good.ndjson", "{\"id\":2}\n");
    let report = zone.land(&source).await;
    assert_eq!((report.landed(), report.rejected()), (3, 2));
    assert!(zone.reasons(&source).await[0].starts_with("2@9 the object holds more than 8 MiB of data"));
    source.max_rejected = MaxRejected::Rows(1);
    let zone = Zone::new();
    zone.put("bomb.ndjson.gz", gzip(&bomb));
    zone.put("bomb.ndjson.zst", zstd(&bomb));
    let error = zone.try_land(&source).await.unwrap_err();
    assert!(matches!(error, LandError::TooManyRejected { .. }), "{error}");
    assert!(zone.table.snapshot().await.unwrap().is_none());
}

#[tokio::test]
async fn binary_files_are_refused_as_they_are() {
    let zone = Zone::new();
    let source = feed("*", csv_format(), pairs());
    let noise: Vec<u8> = (0..5000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    zone.put("gzip-without-its-ending.csv", gzip(&rows(100)));
    zone.put("noise.csv", &noise);
    zone.put("picture.csv", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &noise].concat());
    zone.put("utf16.csv", "\u{feff}id,name\n1,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    zone.put("nul.csv", b"id,name\n1,a\0b\n\0\0\0\n2,b\n");
    zone.put("good.csv", "id,name\n3,c\n");
    let report = zone.land(&source).await;
    let of = |name: &str| report.objects.iter().find(|object| object.name == name).unwrap();
    for name in ["gzip-without-its-ending.csv", "noise.csv", "picture.csv", "utf16.csv"] {
        assert_eq!((of(name).landed, of(name).rejected), (0, 1), "{name}");
    }
    assert_eq!((of("nul.csv").landed, of("nul.csv").rejected), (2, 1));
    assert_eq!(zone.rows(&source).await, ["1|a\0b", "2|b", "3|c"]);
    let source = feed("*", Format::NdJson, pairs());
    let zone = Zone::new();
    zone.put("noise.ndjson", &noise);
    zone.put("picture.ndjson", [b"\x89PNG\r\n\x1a\n".as_slice(), &noise].concat());
    let report = zone.land(&source).await;
    assert_eq!(report.landed(), 0);
    let lines = noise.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(|b| b" \t\r".contains(b))).count();
    assert_eq!(report.objects[0].rejected as usize, lines);
}

#[tokio::test]
async fn lines_of_megabytes_are_landed_or_refused_whole() {
    let long = "y".repeat(10 * MIB);
    for format in [csv_format(), Format::NdJson] {
        let zone = Zone::new();
        let source = feed("*", format.clone(), pairs());
        let (text, refused) = if format == Format::NdJson {
            let refused = format!("{{\"id\":\"x\",\"name\":\"{long}\"}}");
            (
                format!(
                    "{{\"id\":1,\"name\":\"{long}\"}}\n{refused}\n{{\"id\":3,\"name\":\"{long}{long}\"}}\n{{\"id\":4}}\n"
                ),
                refused,
            )
        } else {
            let refused = format!("x,{long}");
            (format!("id,name\n1,{long}\n{refused}\n3,{long}{long}\n4,\n"), refused)
        };
        zone.put("long", text);
        let report = zone.land(&source).await;
        assert_eq!((report.rows_in(), report.landed()), (4, 2));
        let rows = zone.rows(&source).await;
        assert_eq!(rows, [format!("1|{long}"), "4|-".to_owned()]);
        let rejected = zone.rejected(&source).await;
        assert!(rejected[0].raw == refused, "kept whole");
        assert_eq!(rejected[1].reason, "the record is longer than 16777216 bytes; its start is kept");
        assert_eq!(rejected[1].raw.len(), 64 * 1024);
    }
}

/// A line of two bytes would stand for as many cells as the header has names.
#[tokio::test]
async fn short_lines_under_a_wide_header_take_no_more_room_than_they_have() {
    let zone = Zone::new();
    let names: String = (0..9_000).map(|name| format!(",n{name}")).collect();
    zone.put("wide.csv", format!("id{names}\n{}", "x\n".repeat(100_000)));
    zone.put("too-wide.csv", format!("id{names}{names}\n1\n"));
    zone.put("endless.csv", ",".repeat(4 * MIB));
    let source = feed("*", csv_format(), pairs());
    let report = zone.land(&source).await;
    assert_eq!(report.objects.iter().map(|object| object.rejected).collect::<Vec<_>>(), [1, 1, 100_000]);
    let reasons = zone.reasons(&source).await;
    assert_eq!(reasons[0], "1@0 the header has more than 10000 fields");
    assert_eq!(reasons[1], "1@0 the header has more than 10000 fields");
    assert_eq!(reasons[2], "2@52893 the record has 1 field where the header has 9001");
}

#[tokio::test]
async fn an_object_cannot_add_columns_without_end() {
    let zone = Zone::new();
    let mut source = feed("*", csv_format(), pairs());
    source.unknown_columns = UnknownColumns::Add;
    let names: String = (0..201).map(|name| format!(",n{name}")).collect();
    zone.put("many.csv", format!("id{names}\n1{}\n", ",".repeat(201)));
    zone.put("same.csv", format!("id{}\n", ",same".repeat(9000)));
    zone.put("long.csv", format!("id,{}\n1,x\n", "Name".repeat(9000)));
    let report = zone.land(&source).await;
    assert_eq!((report.landed(), report.rejected()), (1, 2));
    assert_eq!(zone.reasons(&source).await, ["1@0 the object adds more than 200 columns to the contract's"; 2]);
    assert_eq!(zone.rows_with(&source, &["id", &"name".repeat(25)]).await, ["1|x"]);
    // Names that are no identifiers.
    let zone = Zone::new();
    zone.put("odd.csv", "id,Loyalty-Level,2nd,a.b,ünï [€],\u{fffd},_x,,'; drop\n1,a,b,c,d,e,f,g,h\n");
    zone.land(&source).await;
    let names = ["loyalty_level", "column2nd", "a_b", "ünï____", "column_", "column_x", "column", "column___drop"];
    assert_eq!(zone.rows_with(&source, &names).await, ["a|b|c|d|e|f|g|h"]);
}

#[tokio::test]
async fn a_key_that_stands_twice_moves_no_value_to_another_row() {
    let zone = Zone::new();
    let mut source = feed("*", Format::NdJson, pairs());
    source.unknown_columns = UnknownColumns::Add;
    zone.put("a.ndjson", "{\"id\":1,\"x\":1,\"x\":2}\n{\"id\":2}\n{\"id\":3,\"x\":\"3\"}\n{\"id\":4,\"y\":5,\"\\u0079\":6}\n{\"id\":5,\"y\":7}\n");
    zone.land(&source).await;
    assert_eq!(zone.rows_with(&source, &["id", "x", "y"]).await, ["2|-|-", "3|3|-", "5|-|7"]);
    assert_eq!(
        zone.reasons(&source).await,
        ["1@0 `x` stands twice in the record", "4@47 `y` stands twice in the record"]
    );
}

/// Broken lines name columns that nobody has, and each such name would be one.
#[tokio::test]
async fn what_is_refused_adds_no_column() {
    let zone = Zone::new();
    let mut source = feed("*", Format::NdJson, pairs());
    source.unknown_columns = UnknownColumns::Add;
    let broken: String = (0..300).map(|line| format!("{{\"id\":1,\"k{line}\":1\n")).collect();
    zone.put("a.ndjson", format!("{broken}{{\"id\":2,\"good\":\"y\"}}\n"));
    let report = zone.land(&source).await;
    assert_eq!((report.landed(), report.rejected()), (1, 300));
    let schema = zone.snapshot().await.schema;
    let names: Vec<&str> =
        schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !name.starts_with('_')).collect();
    assert_eq!(names, ["id", "name", "good"]);
}

#[tokio::test]
async fn reasons_do_not_grow_with_what_stands_in_an_object() {
    let zone = Zone::new();
    let mut source = feed("*", Format::NdJson, pairs());
    source.unknown_columns = UnknownColumns::Reject;
    let long = "k".repeat(100_000);
    let lines: String = (0..1000).map(|line| format!("{{\"id\":1,\"key{line}\":1}}\n")).collect();
    zone.put("a.ndjson", format!("{lines}{{\"{long}\":1}}\n"));
    let report = zone.land(&source).await;
    assert_eq!(report.rejected(), 1001);
    assert!(report.reasons.len() <= 201, "{}", report.reasons.len());
    assert_eq!(report.reasons.values().sum::<u64>(), 1001);
    let last = zone.rejected(&source).await.pop().unwrap();
    assert!(last.reason.len() < 200 && last.reason.ends_with("is not a column of the contract"), "{}", last.reason);
}

#[tokio::test]
async fn what_a_cell_may_be_is_the_same_in_every_format() {
    let values = ["1e400", "NaN", "-Infinity", "0x10", "0000-01-01", "9999-12-31", "2024-03-31T01:30:00", "{}", "[1]"];
    let zone = Zone::new();
    let london = Some(chrono_tz::Tz::Europe__London);
    let columns = vec![
        column("n", DataType::Integer),
        column("number", DataType::Double),
        column("day", DataType::Date),
        ColumnContract { timezone: london, ..column("at", DataType::Timestamp) },
    ];
    let names = ["number", "day", "at"];
    let (mut csv, mut json) = ("n,number,day,at\n".to_owned(), String::new());
    for (row, value) in values.iter().enumerate() {
        for (place, name) in names.iter().enumerate() {
            let n = row * 3 + place;
            let cells: Vec<&str> = (0..3).map(|column| if column == place { *value } else { "" }).collect();
            csv.push_str(&format!("{n},{}\n", cells.join(",")));
            json.push_str(&format!("{{\"n\":{n},\"{name}\":\"{value}\"}}\n"));
        }
    }
    // The same bare: numbers that JSON knows, words that it does not.
    json.push_str("{\"n\":100,\"number\":1e400}\n{\"n\":101,\"number\":NaN}\n{\"n\":102,\"number\":-Infinity}\n{\"n\":103,\"day\":[1]}\n");
    zone.put("a.csv", csv);
    zone.put("a.ndjson", json);
    let of_csv = feed("*.csv", csv_format(), columns.clone());
    let report = zone.land(&of_csv).await;
    let landed = zone.rows(&of_csv).await;
    assert_eq!(landed, ["16|-|9999-12-31|-", "17|-|-|9999-12-31T00:00:00Z"]);
    assert_eq!(report.rejected() as usize, values.len() * 3 - 2);
    let other = Zone::new();
    std::fs::copy(zone.path("a.ndjson"), other.path("a.ndjson")).unwrap();
    let of_json = feed("*.ndjson", Format::NdJson, columns);
    let report = other.land(&of_json).await;
    assert_eq!(other.rows(&of_json).await, landed);
    assert_eq!(report.rejected() as usize, values.len() * 3 - 2 + 4);
}
