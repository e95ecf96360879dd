//! Landing, through its public face: files in, landed tables out.

mod contract;
mod csv;
mod discovery;
mod formats;
mod newest;
mod properties;
mod replacement;
pub(crate) mod s3;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use futures::TryStreamExt;
use lifecycle::config::{ColumnContract, CsvOptions, DataType, Delimiter, Format, MaxRejected, Source, UnknownColumns};
use lifecycle::land::{
    self, KeySizes, LandError, LandingReport, LandingRequest, ReadSizes, RejectedFilter, RejectedRow, Reland, Sizes,
};
use lifecycle::progress::Silent;
use lifecycle::storage::{Snapshot, Stores, Table};
use tempfile::TempDir;
use url::Url;

/// A drop zone and a landed table in a folder of their own.
pub struct Zone {
    pub folder: TempDir,
    pub stores: Stores,
    pub raw: Url,
    pub table: Table,
    pub sizes: Sizes,
    pub parallelism: usize,
    pub reland: Reland,
    pub timezone: Tz,
}

impl Zone {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("raw")).unwrap();
        let raw = Url::from_file_path(folder.path().join("raw")).unwrap();
        let warehouse = Url::from_file_path(folder.path().join("warehouse/landed/feed")).unwrap();
        let stores = Stores::new(&Default::default());
        let table = Table::open(&stores, &warehouse).unwrap();
        Self {
            folder,
            stores,
            raw,
            table,
            sizes: Sizes::default(),
            parallelism: 3,
            reland: Reland::Nothing,
            timezone: Tz::Europe__London,
        }
    }

    /// Small blocks, small buffers: every boundary is met.
    pub fn with_tiny_sizes(mut self, block_bytes: usize) -> Self {
        self.sizes = Sizes {
            read: ReadSizes { block_bytes, ..ReadSizes::default() },
            keys: KeySizes { hashes: 5, rows: 3 },
            buffer_bytes: 4096,
        };
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("raw").join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Puts an object that was last written so many seconds after a fixed instant.
    pub fn put_at(&self, name: &str, bytes: impl AsRef<[u8]>, seconds: u64) {
        self.put(name, bytes);
        let instant = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        std::fs::File::options().write(true).open(self.path(name)).unwrap().set_modified(instant).unwrap();
    }

    pub fn request<'a>(&'a self, source: &'a Source) -> LandingRequest<'a> {
        LandingRequest {
            source,
            stores: &self.stores,
            table: &self.table,
            raw: &self.raw,
            timezone: self.timezone,
            parallelism: self.parallelism,
            reland: self.reland,
            run: Some("run-1"),
            now: DateTime::<Utc>::UNIX_EPOCH,
            sizes: self.sizes,
            progress: &Silent,
        }
    }

    /// The source with its location below this zone's raw folder.
    pub fn locate(&self, source: &Source) -> Source {
        Source { location: format!("{}/{}", self.raw, source.location), ..source.clone() }
    }

    pub async fn try_land(&self, source: &Source) -> Result<LandingReport, LandError> {
        let source = self.locate(source);
        land::land(&self.request(&source)).await
    }

    pub async fn land(&self, source: &Source) -> LandingReport {
        let report = self.try_land(source).await.unwrap();
        for object in &report.objects {
            assert_eq!(object.rows_in, object.landed + object.rejected, "{object:?}");
        }
        report
    }

    pub async fn snapshot(&self) -> Snapshot {
        self.table.snapshot().await.unwrap().expect("something was landed")
    }

    /// The contract's columns of the visible rows, as text, sorted.
    pub async fn rows(&self, source: &Source) -> Vec<String> {
        let names: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
        self.rows_with(source, &names).await
    }

    /// Some columns of the visible rows, as text, sorted.
    pub async fn rows_with(&self, source: &Source, names: &[&str]) -> Vec<String> {
        let snapshot = self.snapshot().await;
        let files = land::landed_files(&snapshot);
        let schema = land::landed_schema(source, &snapshot.schema);
        let mut superseded = HashSet::new();
        for file in &files.superseded {
            let batches: Vec<RecordBatch> =
                self.table.read(file, snapshot.schema.clone()).await.unwrap().try_collect().await.unwrap();
            for batch in batches {
                for place in places(&batch) {
                    assert!(superseded.insert(place), "a row is superseded twice");
                }
            }
        }
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        for file in &files.rows {
            let batches: Vec<RecordBatch> =
                self.table.read(file, snapshot.schema.clone()).await.unwrap().try_collect().await.unwrap();
            for batch in batches {
                for (row, place) in places(&batch).into_iter().enumerate() {
                    assert!(seen.insert(place.clone()), "{place:?} was landed twice");
                    if superseded.remove(&place) {
                        continue;
                    }
                    let values: Vec<String> = names
                        .iter()
                        .map(|name| {
                            let column = batch.column_by_name(name).unwrap();
                            if column.is_null(row) {
                                "-".to_owned()
                            } else {
                                array_value_to_string(column, row).unwrap()
                            }
                        })
                        .collect();
                    rows.push(values.join("|"));
                }
            }
        }
        assert!(superseded.is_empty(), "superseded rows that were never landed: {superseded:?}");
        assert!(schema.field_with_name("_object").is_ok());
        rows.sort();
        rows
    }

    pub async fn rejected(&self, source: &Source) -> Vec<RejectedRow> {
        let snapshot = self.snapshot().await;
        let mut rows: Vec<RejectedRow> =
            land::rejected_rows(&self.table, &snapshot, source, &RejectedFilter::default())
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
        rows.sort_by(|one, other| (&one.object, one.line).cmp(&(&other.object, other.line)));
        rows
    }

    /// Rejected rows as `line@offset reason`, sorted by object and line.
    pub async fn reasons(&self, source: &Source) -> Vec<String> {
        let text = |row: RejectedRow| match row.offset {
            Some(offset) => format!("{}@{offset} {}", row.line, row.reason),
            None => format!("{} {}", row.line, row.reason),
        };
        self.rejected(source).await.into_iter().map(text).collect()
    }
}

fn places(batch: &RecordBatch) -> Vec<(String, i64)> {
    let objects = batch.column_by_name("_object").unwrap().as_string::<i32>();
    let lines = batch.column_by_name("_line").unwrap().as_primitive::<Int64Type>();
    (0..batch.num_rows()).map(|row| (objects.value(row).to_owned(), lines.value(row))).collect()
}

/// A column that may be anything of its type.
pub fn column(name: &str, data_type: DataType) -> ColumnContract {
    ColumnContract {
        name: name.to_owned(),
        from: None,
        data_type,
        required: false,
        pii: false,
        accepted_values: Vec::new(),
        min: None,
        max: None,
        formats: Vec::new(),
        timezone: None,
        null_values: Vec::new(),
    }
}

pub fn required(name: &str, data_type: DataType) -> ColumnContract {
    ColumnContract { required: true, ..column(name, data_type) }
}

pub fn csv_format() -> Format {
    Format::Csv(CsvOptions { delimiter: Delimiter::Byte(b','), header: true, quote: Some(b'"') })
}

/// A source that refuses nothing but what it must.
pub fn feed(location: &str, format: Format, columns: Vec<ColumnContract>) -> Source {
    Source {
        name: "feed".to_owned(),
        location: location.to_owned(),
        format,
        compression: None,
        key: Vec::new(),
        event_time: None,
        columns,
        unknown_columns: UnknownColumns::Ignore,
        max_rejected: MaxRejected::Share(1.0),
        max_object_bytes: u64::MAX,
    }
}

pub fn decimal(precision: u8, scale: i8) -> DataType {
    DataType::Decimal { precision, scale }
}

/// Order lines: a key, an event time, a quantity.
pub fn orders(location: &str) -> Source {
    Source {
        key: vec!["order_id".to_owned(), "line_no".to_owned()],
        event_time: Some("ordered_at".to_owned()),
        ..feed(
            location,
            csv_format(),
            vec![
                required("order_id", DataType::String),
                required("line_no", DataType::Integer),
                required("ordered_at", DataType::Timestamp),
                required("quantity", decimal(12, 3)),
            ],
        )
    }
}

pub const ORDERS: &str = "order_id,line_no,ordered_at,quantity\n";

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn days(texts: &[&str]) -> land::TouchedDays {
    land::TouchedDays::Days(texts.iter().map(|text| day(text)).collect())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
