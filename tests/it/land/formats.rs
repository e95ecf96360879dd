//! NDJSON, Parquet, and compressed objects, whole and broken.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use lifecycle::config::{ColumnContract, Compression, DataType, Format, UnknownColumns};
use parquet::arrow::ArrowWriter;

use super::{Zone, column, csv_format, decimal, feed, gzip, required};

fn pairs() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("name", DataType::String)]
}

#[tokio::test]
async fn json_lines_and_their_dirt() {
    let zone = Zone::new();
    let mut source = feed("*.json", Format::NdJson, pairs());
    source.columns.push(column("flag", DataType::Boolean));
    let text = concat!(
        "{\"id\":1,\"name\":\"a \\\"b\\\" \\u00e9 \\ud83d\\ude00\",\"flag\":true}\n",
        "  \n",
        "{ \"name\" : null , \"id\" : \"2\", \"other\":{\"deep\":[1,{\"x\":null}]} }\r\n",
        "{\"id\":3,\"name\":{\"first\":\"x\"}}\n",
        "{\"id\":4,\"name\":\"x\"\n",
        "not json\n",
        "{\"id\":5,\"id\":6}\n",
        "{\"id\":07}\n",
        "[1]\n",
        "{\"id\":8,\"name\":\"\\ud800\"}\n",
        "{\"id\":9,\"name\":12.50,\"flag\":\"x\"}\n",
        "{\"id\":10,\"name\":12.50}",
    );
    zone.put("a.json", text);
    let report = zone.land(&source).await;
    assert_eq!(report.rows_in(), 11);
    assert_eq!(zone.rows(&source).await, ["10|12.50|-", "1|a \"b\" é 😀|true", "2|-|-"]);
    let reasons: Vec<String> =
        zone.reasons(&source).await.iter().map(|reason| reason.split_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(
        reasons,
        [
            "`name` is not a string: it is nested",
            "the line is not JSON: it ends where `,` or `}` was expected",
            "the line is not a JSON object",
            "`id` stands twice in the record",
            "the line is not JSON: no digit after a leading zero was expected at byte 8",
            "the line is not a JSON object",
            "the line is not JSON: an escape in a string is not a character",
            "`flag` is not a boolean: `x`",
        ]
    );
}

#[tokio::test]
async fn unknown_keys_are_added_as_text() {
    let zone = Zone::new().with_tiny_sizes(16);
    let mut source = feed("*.json", Format::NdJson, pairs());
    source.unknown_columns = UnknownColumns::Add;
    zone.put("a.json", "{\"id\":1}\n{\"id\":2,\"Tags\":[1, 2],\"ok\":true}\n{\"Tags\":\"x\",\"id\":3}\n");
    zone.land(&source).await;
    assert_eq!(zone.rows_with(&source, &["id", "tags", "ok"]).await, ["1|-|-", "2|[1, 2]|true", "3|x|-"]);
    source.unknown_columns = UnknownColumns::Reject;
    let zone = Zone::new();
    zone.put("a.json", "{\"id\":1}\n{\"id\":2,\"ok\":true}\n");
    assert_eq!(zone.land(&source).await.rejected(), 1);
    assert_eq!(zone.reasons(&source).await, ["2@9 `ok` is not a column of the contract"]);
}

#[tokio::test]
async fn pii_in_json_is_hidden() {
    let zone = Zone::new();
    let mut source = feed("*.json", Format::NdJson, pairs());
    source.columns[1].pii = true;
    zone.put("a.json", "{\"id\":\"x\",\"name\":\"Ann\"}\n{\"id\":1,\"name\":\"Ann\"\n{\"id\":1,\"name\":[\"Ann\"]}\n");
    zone.land(&source).await;
    let rejected = zone.rejected(&source).await;
    assert_eq!(rejected[0].raw, "{\"id\":\"x\",\"name\":\"***\"}");
    assert_eq!(rejected[2].raw, "{\"id\":1,\"name\":\"***\"}");
    for row in rejected {
        assert!(!format!("{row:?}").contains("Ann"), "{row:?}");
    }
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

#[tokio::test]
async fn compressed_objects_in_one_piece_or_several() {
    let (one, two) = (b"id,name\n1,a\n2,".as_slice(), b"b\n3,c\n".as_slice());
    for block in [3, 1 << 20] {
        let zone = Zone::new().with_tiny_sizes(block);
        let source = feed("*", csv_format(), pairs());
        zone.put("members.csv.gz", [gzip(one), gzip(two), vec![0; 5]].concat());
        zone.put("frames.csv.zst", [zstd(one), zstd(two)].concat());
        zone.put("empty.csv.gz", gzip(b""));
        zone.put("nothing.csv.gz", b"");
        let report = zone.land(&source).await;
        assert_eq!((report.rows_in(), report.landed()), (6, 6));
        let mut source = source;
        source.location = "*.bin".to_owned();
        source.compression = Some(Compression::Gzip);
        zone.put("named-otherwise.bin", gzip(b"id,name\n9,z\n"));
        assert_eq!(zone.land(&source).await.landed(), 1);
    }
}

#[tokio::test]
async fn what_a_truncated_object_still_holds_is_landed() {
    let lines: String = (0..5000).map(|id| format!("{id},name {}\n", id * 7919 % 10_007)).collect();
    let text = format!("id,name\n{lines}");
    let whole = gzip(text.as_bytes());
    let mut outcomes = Vec::new();
    for block in [10, 1000, 1 << 20] {
        let zone = Zone::new().with_tiny_sizes(block);
        let source = feed("*.gz", csv_format(), pairs());
        zone.put("a.csv.gz", &whole[..whole.len() / 2]);
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 100].fill(0xff);
        zone.put("b.csv.gz", &damaged);
        zone.put("c.csv.gz", [whole.as_slice(), b"rubbish that is no gzip"].concat());
        zone.put("d.csv.gz", b"id,name\n1,not compressed\n");
        let report = zone.land(&source).await;
        let reasons = zone.reasons(&source).await;
        assert_eq!(reasons.len(), 4, "{reasons:?}");
        assert!(reasons[0].ends_with("the gzip data ends in the middle"), "{reasons:?}");
        assert!(reasons[1].ends_with("the gzip data is damaged"), "{reasons:?}");
        assert!(reasons[2].ends_with("what follows the gzip data is not gzip data"), "{reasons:?}");
        assert!(reasons[3].ends_with("the gzip data is damaged"), "{reasons:?}");
        assert!(report.objects[0].landed > 1000 && report.objects[0].landed < 5000);
        assert_eq!(report.objects[2].landed, 5000);
        outcomes.push((zone.rows(&source).await, reasons, report.objects));
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[1], outcomes[2]);
}

fn parquet_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn people() -> RecordBatch {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1)]),
        None,
        Some(vec![]),
        Some(vec![Some(2)]),
    ]);
    RecordBatch::try_from_iter([
        ("score", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None, Some(2.0)])) as ArrayRef),
        ("id", Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(4)]))),
        (
            "amount",
            Arc::new(
                Decimal128Array::from(vec![Some(12345), Some(1), Some(2), Some(100)])
                    .with_precision_and_scale(10, 3)
                    .unwrap(),
            ),
        ),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![1_720_000_000_123_456_789, 0, 0, 0]))),
        ("born", Arc::new(StringArray::from(vec![Some("1990-01-31"), None, None, Some("soon")]))),
        ("tags", Arc::new(list)),
    ])
    .unwrap()
}

#[tokio::test]
async fn parquet_is_cast_by_name() {
    let zone = Zone::new();
    let source = feed(
        "*.parquet",
        Format::Parquet,
        vec![
            required("id", DataType::Integer),
            column("amount", decimal(12, 3)),
            ColumnContract { timezone: Some(chrono_tz::Tz::Europe__London), ..column("at", DataType::Timestamp) },
            column("born", DataType::Date),
            column("score", DataType::Double),
            column("absent", DataType::String),
        ],
    );
    zone.put("a.parquet", parquet_bytes(&people()));
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.rejected()), (4, 1, 3));
    assert_eq!(zone.rows(&source).await, ["1|12.345|2024-07-03T08:46:40.123456Z|1990-01-31|1.5|-"]);
    assert_eq!(
        zone.reasons(&source).await,
        ["2 `score` is not a double: `NaN`", "3 `id` is required and is missing", "4 `born` is not a date: `soon`",]
    );
    let raw = &zone.rejected(&source).await[2].raw;
    assert!(raw.starts_with('{') && raw.contains("\"born\":\"soon\"") && raw.contains("\"id\":4"), "{raw}");
}

#[tokio::test]
async fn parquet_adds_and_refuses_nested_columns() {
    let zone = Zone::new();
    let mut source = feed("*.parquet", Format::Parquet, vec![column("id", DataType::Integer)]);
    source.unknown_columns = UnknownColumns::Add;
    zone.put("a.parquet", parquet_bytes(&people()));
    zone.land(&source).await;
    assert_eq!(
        zone.rows_with(&source, &["id", "tags", "born"]).await,
        ["-|[]|-", "1|[1]|1990-01-31", "2|-|-", "4|[2]|soon"]
    );
    let zone = Zone::new();
    let source = feed("*.parquet", Format::Parquet, vec![column("tags", DataType::String)]);
    zone.put("a.parquet", parquet_bytes(&people()));
    assert_eq!(zone.land(&source).await.rejected(), 3);
}

#[tokio::test]
async fn broken_parquet_is_one_rejected_row() {
    let zone = Zone::new();
    let source = feed("*.parquet", Format::Parquet, vec![column("id", DataType::Integer)]);
    let whole = parquet_bytes(&people());
    zone.put("cut.parquet", &whole[..whole.len() - 20]);
    zone.put("empty.parquet", b"");
    let mut damaged = whole.clone();
    damaged[4..200].fill(0x5a);
    zone.put("damaged.parquet", damaged);
    zone.put("text.parquet", b"id,name\n");
    zone.put("whole.parquet", whole);
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.rejected()), (7, 4, 3));
}

#[tokio::test]
async fn a_gzip_stream_that_is_written_piece_by_piece_is_read() {
    let zone = Zone::new();
    let source = feed("*.gz", csv_format(), pairs());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"id,name\n1,").unwrap();
    encoder.flush().unwrap();
    encoder.write_all(b"a\n").unwrap();
    zone.put("a.csv.gz", encoder.finish().unwrap());
    zone.land(&source).await;
    assert_eq!(zone.rows(&source).await, ["1|a"]);
}
