//! Parquet objects of another schema, of strange types, cut short, or with footers that lie.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DurationSecondArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray,
    StructArray, TimestampSecondArray, UInt64Array,
};
use lifecycle::config::{ColumnContract, DataType, Format, UnknownColumns};
use lifecycle::land::Why;
use parquet::arrow::ArrowWriter;

use crate::land::{Zone, column, feed, required};

fn bytes(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn pairs() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("name", DataType::String)]
}

fn good() -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    bytes(vec![("id", ids), ("name", Arc::new(StringArray::from(vec!["a", "b"])))])
}

#[tokio::test]
async fn another_schema_is_cast_or_refused() {
    let zone = Zone::new();
    let source = feed("*.parquet", Format::Parquet, pairs());
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["7", "x"]));
    let nested: ArrayRef = Arc::new(StructArray::try_from(vec![("a", texts.clone())]).unwrap());
    zone.put(
        "1-other-types.parquet",
        bytes(vec![("name", Arc::new(UInt64Array::from(vec![1, 2])) as ArrayRef), ("id", texts.clone())]),
    );
    zone.put("2-other-names.parquet", bytes(vec![("ID", texts.clone()), ("Name", texts.clone())]));
    zone.put("3-nested.parquet", bytes(vec![("id", texts.clone()), ("name", nested)]));
    zone.put("4-without-id.parquet", bytes(vec![("name", texts)]));
    zone.put("5-good.parquet", good());
    let report = zone.land(&source).await;
    let counts: Vec<_> = report.objects.iter().map(|object| (object.landed, object.rejected)).collect();
    assert_eq!(counts, [(1, 1), (0, 1), (0, 2), (0, 2), (2, 0)]);
    assert_eq!(zone.rows(&source).await, ["1|a", "2|b", "7|1"]);
}

/// Types that have no form as text or JSON: the rows are refused, the others land, and nothing fails.
#[tokio::test]
async fn strange_types_refuse_rows_and_stop_nothing() {
    let zone = Zone::new();
    let mut source = feed("*.parquet", Format::Parquet, pairs());
    let ids = || -> ArrayRef { Arc::new(Int64Array::from(vec![Some(1), None])) };
    let ids_of_16_bytes = FixedSizeBinaryArray::try_from_iter([[7_u8; 16], [8; 16]].into_iter()).unwrap();
    zone.put("1-fixed.parquet", bytes(vec![("id", ids()), ("name", Arc::new(ids_of_16_bytes.clone()))]));
    zone.put(
        "2-binary.parquet",
        bytes(vec![("id", ids()), ("name", Arc::new(BinaryArray::from_vec(vec![b"ok", b"\xff"])))]),
    );
    let durations = DurationSecondArray::from(vec![1, 2]);
    zone.put("3-duration.parquet", bytes(vec![("id", ids()), ("name", Arc::new(durations))]));
    let far = TimestampSecondArray::from(vec![i64::MAX, 0]);
    zone.put("4-far.parquet", bytes(vec![("id", ids()), ("name", Arc::new(far))]));
    zone.put("5-good.parquet", good());
    let report = zone.land(&source).await;
    assert_eq!(report.rows_in(), 10);
    assert!(report.rejected() >= 5, "{report:?}");
    let reasons = zone.reasons(&source).await;
    assert_eq!(reasons[0], "1 `name` is not text: it is FixedSizeBinary(16)");
    // The same as columns that the contract does not name.
    source.unknown_columns = UnknownColumns::Add;
    let zone = Zone::new();
    zone.put(
        "1.parquet",
        bytes(vec![
            ("id", ids()),
            ("uuid", Arc::new(ids_of_16_bytes)),
            ("blob", Arc::new(BinaryArray::from_vec(vec![b"ok", b"\xff"]))),
        ]),
    );
    zone.put(
        "2.parquet",
        bytes(vec![
            ("id", Arc::new(Int64Array::from(vec![3, 4])) as ArrayRef),
            ("blob", Arc::new(BinaryArray::from_vec(vec![b"\xff", b"ok"]))),
        ]),
    );
    let report = zone.land(&source).await;
    assert_eq!((report.landed(), report.rejected()), (2, 2));
    assert_eq!(
        zone.rows_with(&source, &["id", "blob", "uuid"]).await,
        ["1|ok|07070707070707070707070707070707", "4|ok|-"]
    );
    assert_eq!(zone.reasons(&source).await[1], "1 `blob` is not text");
}

#[tokio::test]
async fn a_file_that_is_cut_short_anywhere_is_one_refused_row() {
    let whole = good();
    for length in (0..whole.len()).step_by(37).chain([1, 4, 7, 8, 11, 12, whole.len() - 1]) {
        let zone = Zone::new();
        let source = feed("*.parquet", Format::Parquet, pairs());
        zone.put("cut.parquet", &whole[..length]);
        let report = zone.land(&source).await;
        assert_eq!(
            (report.landed(), report.rejected()),
            (0, u64::from(length > 0)),
            "{length} of {} bytes",
            whole.len()
        );
    }
}

/// A footer whose lists promise billions of elements, or columns beyond the object's end: memory is not set aside for them, and
/// the store is not asked for them.
#[tokio::test]
async fn promises_that_an_object_cannot_keep_are_not_believed() {
    let whole = good();
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let start = whole.len() - 8 - footer;
    // A struct with the version, and the schema as a list of 2^31 - 1 structs.
    let lists: [&[u8]; 3] = [
        b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07",
        b"\x15\x02\x19\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x15\x02\x18\xff\xff\xff\xff\xff\xff\xff\x7f",
    ];
    let zone = Zone::new();
    for (number, list) in lists.iter().enumerate() {
        let mut lie = whole[..start].to_vec();
        lie.extend_from_slice(list);
        lie.extend_from_slice(&(list.len() as u32).to_le_bytes());
        lie.extend_from_slice(b"PAR1");
        zone.put(&format!("lie{number}.parquet"), lie);
    }
    // The columns' bytes are gone, and the footer still speaks of where they were.
    zone.put("short.parquet", [b"PAR1", &whole[start..]].concat());
    zone.put("whole.parquet", &whole);
    let source = feed("*.parquet", Format::Parquet, pairs());
    let report = zone.land(&source).await;
    let counts: Vec<_> = report.objects.iter().map(|object| (object.landed, object.rejected)).collect();
    assert_eq!(counts, [(0, 1), (0, 1), (0, 1), (0, 1), (2, 0)]);
    for row in zone.rejected(&source).await {
        assert!(!row.reason.contains("gave up"), "{}", row.reason);
    }
}

#[tokio::test]
async fn parquet_has_a_limit_too() {
    let zone = Zone::new();
    let mut source = feed("*.parquet", Format::Parquet, pairs());
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..50_000));
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..50_000).map(|_| "the same name, a thousand times over")));
    zone.put("a.parquet", bytes(vec![("id", ids), ("name", names)]));
    source.max_object_bytes = 1 << 20;
    let report = zone.land(&source).await;
    assert!(report.objects[0].is_cut && report.rejected() == 1, "{report:?}");
    let landed = report.landed();
    assert!(landed > 0 && landed < 50_000 && landed.is_multiple_of(8192), "{landed}");
    assert!(zone.reasons(&source).await[0].starts_with(&format!("{} the object holds more than 1 MiB", landed + 1)));
    source.max_object_bytes = 1 << 30;
    let report = zone.land(&source).await;
    assert_eq!((report.objects[0].again, report.landed(), report.rejected()), (Some(Why::Contract), 50_000, 0));
}
