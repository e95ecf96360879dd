//! Damaged Parquet files: no panic that reaches anybody, no hang, and every row is landed or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use lifecycle::config::{Format, UnknownColumns};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fuzz::base64;
use super::fuzz_files::{columns, mutate};
use crate::land::{Zone, feed};

const AT_ONCE: usize = 20;

fn batch(random: &mut ChaCha8Rng) -> RecordBatch {
    let rows = random.random_range(0..40_i64);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..rows).map(|row| (row % 3 != 0).then(|| vec![Some(row as i32), None])),
    );
    let texts = |words: [&'static str; 3]| -> ArrayRef {
        Arc::new(StringArray::from_iter((0..rows).map(|row| (row % 5 != 4).then(|| words[row as usize % 3]))))
    };
    let amounts = Decimal128Array::from_iter_values((0..rows).map(|row| i128::from(row) * 12_345));
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter((0..rows).map(|row| (row % 17 != 16).then_some(row)))) as ArrayRef),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2).unwrap())),
        ("Note", texts(["plain", "a longer text that repeats", "ü"])),
        ("flag", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 2 == 0))))),
        ("day", Arc::new(Date32Array::from_iter_values((0..rows).map(|row| 19_000 + row as i32)))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row * 1_000_000_007)))),
        ("score", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 3.0)))),
        ("kind", texts(["a", "b c", "-"])),
        ("tags", Arc::new(list)),
    ])
    .unwrap()
}

fn file(random: &mut ChaCha8Rng) -> Vec<u8> {
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(Default::default()),
    ];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let properties = WriterProperties::builder()
        .set_compression(compressions[random.random_range(0..4)])
        .set_dictionary_enabled(random.random_bool(0.5))
        .set_writer_version(versions[random.random_range(0..2)])
        .set_max_row_group_row_count(Some(random.random_range(5..40)))
        .set_data_page_row_count_limit(random.random_range(3..40))
        .set_write_batch_size(4)
        .build();
    let mut bytes = Vec::new();
    let batch = batch(random);
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Damages a file: anywhere, or in the footer, where one byte means most.
fn damaged(random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = file(random);
    let other = bytes.clone();
    if random.random_bool(0.5) {
        let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
        let end = bytes.len();
        for _ in 0..random.random_range(1..5) {
            let at = random.random_range(end - 8 - footer..end - 4);
            let values = [0, 1, 0x7f, 0x80, 0xf9, 0xfc, 0xff, random.random_range(0..=255)];
            bytes[at] = values[random.random_range(0..values.len())];
        }
    } else {
        mutate(random, &mut bytes, &other, 4);
    }
    bytes
}

#[derive(Debug, Default)]
struct Tally {
    files: usize,
    rows: u64,
    rejected: u64,
    unreadable: usize,
    /// The decoder panicked: caught, and told as a refused row.
    given_up: Vec<Vec<u8>>,
    violations: Vec<String>,
}

async fn land(files: &[Vec<u8>], policy: UnknownColumns, parallelism: usize, tally: &mut Tally) -> Result<(), String> {
    let mut source = feed("*.parquet", Format::Parquet, columns());
    source.unknown_columns = policy;
    let mut zone = Zone::new();
    zone.parallelism = parallelism;
    for (number, bytes) in files.iter().enumerate() {
        zone.put(&format!("f{number:03}.parquet"), bytes);
    }
    let landing = tokio::time::timeout(Duration::from_secs(120), zone.try_land(&source)).await;
    let report = landing.map_err(|_| "it hangs".to_owned())?.map_err(|error| format!("it fails: {error:?}"))?;
    if report.objects.iter().any(|object| object.rows_in != object.landed + object.rejected) {
        return Err(format!("rows are lost: {report:?}"));
    }
    let rows = zone.rows(&source).await.len() as u64;
    let rejected = zone.rejected(&source).await;
    if rows != report.landed() || rejected.len() as u64 != report.rejected() {
        return Err(format!("the counts are not those of the table: {report:?}"));
    }
    tally.rows += rows + report.rejected();
    tally.rejected += report.rejected();
    tally.unreadable += rejected.iter().filter(|row| row.raw.is_empty()).count();
    for (number, bytes) in files.iter().enumerate() {
        let is_of_it = |row: &lifecycle::land::RejectedRow| row.object == format!("f{number:03}.parquet");
        if rejected.iter().any(|row| is_of_it(row) && row.reason.contains("gave up")) {
            tally.given_up.push(bytes.clone());
        }
    }
    Ok(())
}

fn fuzz(files: usize, first_seed: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in first_seed.. {
        if tally.files >= files || tally.violations.len() >= 5 {
            break;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let batch: Vec<Vec<u8>> = (0..AT_ONCE).map(|_| damaged(&mut random)).collect();
        let policies = [UnknownColumns::Ignore, UnknownColumns::Reject, UnknownColumns::Add];
        let (policy, parallelism) = (policies[random.random_range(0..3)], random.random_range(1..4));
        tally.files += batch.len();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        if let Err(together) = runtime.block_on(land(&batch, policy, parallelism, &mut tally)) {
            let mut shown = format!("only together: {together}");
            for bytes in &batch {
                let mut alone = Tally::default();
                if let Err(why) = runtime.block_on(land(std::slice::from_ref(bytes), policy, 1, &mut alone)) {
                    shown = format!("{why}: {}", base64(bytes));
                    break;
                }
            }
            tally.violations.push(format!("seed {seed}, {policy:?}: {shown}"));
        }
        runtime.shutdown_background();
    }
    tally
}

#[test]
fn damaged_parquet_files_lose_nothing() {
    let tally = fuzz(100, 2_000_000);
    assert!(tally.violations.is_empty(), "{}", tally.violations.join("\n"));
    assert!(tally.rows > 300 && tally.unreadable > 20, "{tally:?}");
}

#[test]
#[ignore = "long: 4,000 files"]
fn many_damaged_parquet_files_lose_nothing() {
    let started = Instant::now();
    let tally = fuzz(4_000, 50_000_000);
    println!(
        "fuzzed Parquet: {} files, {} rows, {} rejected, {} files not readable to their end, {} decoders gave up, {} violations in {:.0} s",
        tally.files,
        tally.rows,
        tally.rejected,
        tally.unreadable,
        tally.given_up.len(),
        tally.violations.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(tally.violations.is_empty(), "{}", tally.violations.join("\n"));
    // A decoder that gives up does so quietly: a refused row says it, and nothing else.
    let desk = super::Desk::new();
    desk.edit("jobs/nightly.yaml", "*.csv", "*.parquet");
    desk.edit("jobs/nightly.yaml", "format: csv", "format: parquet");
    desk.edit("jobs/nightly.yaml", "max_rejected: 90%", "max_rejected: 100%");
    assert!(!tally.given_up.is_empty(), "no decoder gave up");
    for (number, bytes) in tally.given_up.iter().enumerate() {
        desk.write(&format!("raw/orders/{number}.parquet"), bytes);
    }
    desk.night().expect(0);
}
