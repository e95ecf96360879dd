//! Objects that are deleted, delivered anew or written to between listing and reading.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use lifecycle::config::{DataType, Format, Source};
use lifecycle::land::LandError;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use crate::land::{Zone, column, csv_format, feed, required};

type Hand = dyn Fn(u32) + Send + Sync;

/// A store whose objects somebody changes at the worst moment.
struct Restless {
    inner: Arc<dyn ObjectStore>,
    /// After each listing, with its number from 0.
    after_list: Box<Hand>,
    /// When an object's first bytes were read, with the number of the read.
    while_reading: Box<Hand>,
    lists: Arc<AtomicU32>,
    reads: Arc<AtomicU32>,
    /// Objects come as streams, as from a server; else as local files.
    is_remote: bool,
}

impl fmt::Debug for Restless {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Restless")
    }
}

impl fmt::Display for Restless {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Restless")
    }
}

#[async_trait]
impl ObjectStore for Restless {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let is_raw = path.as_ref().contains("/raw/");
        let mut got = self.inner.get_opts(path, options).await?;
        if is_raw && !self.is_remote {
            (self.while_reading)(self.reads.fetch_add(1, Ordering::Relaxed));
        }
        if is_raw && self.is_remote {
            let bytes = match got.payload {
                GetResultPayload::File(mut file, _) => {
                    let mut bytes = Vec::new();
                    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
                    bytes[got.range.start as usize..got.range.end as usize].to_vec()
                }
                GetResultPayload::Stream(_) => panic!("local files are no streams"),
            };
            let parts: Vec<_> = bytes.chunks(7).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
            got.payload = GetResultPayload::Stream(futures::stream::iter(parts).boxed());
        }
        Ok(got)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let is_raw = prefix.is_some_and(|prefix| prefix.as_ref().ends_with("/raw"));
        if !is_raw {
            return self.inner.list(prefix);
        }
        // All of the listing is there before the change.
        let all: Vec<_> = futures::executor::block_on(self.inner.list(prefix).collect());
        (self.after_list)(self.lists.fetch_add(1, Ordering::Relaxed));
        futures::stream::iter(all).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn source(format: Format) -> Source {
    feed("*", format, vec![required("id", DataType::Integer), column("name", DataType::String)])
}

/// A zone whose store lets others at its objects.
fn restless(is_remote: bool, after_list: impl Fn(&std::path::Path, u32) + Send + Sync + 'static) -> Zone {
    let zone = Zone::new();
    let raw = zone.path("");
    let store = Restless {
        inner: zone.stores.open(&zone.raw).unwrap().0,
        after_list: Box::new(move |number| after_list(&raw, number)),
        while_reading: Box::new(|_| {}),
        lists: Arc::default(),
        reads: Arc::default(),
        is_remote,
    };
    zone.stores.replace(&zone.raw, Arc::new(store));
    zone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_deleted_after_listing_is_not_there() {
    for is_remote in [false, true] {
        let zone = restless(is_remote, |raw, number| {
            if number == 0 {
                std::fs::remove_file(raw.join("b.csv")).unwrap();
            }
        });
        let source = source(csv_format());
        for name in ["a.csv", "b.csv", "c.csv"] {
            zone.put(name, format!("id,name\n1,{name}\n"));
        }
        let report = zone.land(&source).await;
        assert_eq!(report.objects.len(), 2);
        assert_eq!(zone.rows(&source).await, ["1|a.csv", "1|c.csv"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_delivered_anew_after_listing_is_landed_as_it_is_now() {
    for (is_remote, text) in
        [(false, "id,name\n2,new\n"), (true, "id,name\n2,new\n"), (true, "id,name\n2,x\n3,longer\n")]
    {
        let zone = restless(is_remote, move |raw, number| {
            // Delivered three times, while the landing starts anew each time.
            if number < 3 {
                std::fs::remove_file(raw.join("b.csv")).unwrap();
                let name = if number == 2 { text.to_owned() } else { format!("id,name\n9,{number}\n") };
                std::fs::write(raw.join("b.csv"), name).unwrap();
            }
        });
        let source = source(csv_format());
        zone.put("a.csv", "id,name\n1,a\n");
        zone.put("b.csv", "id,name\n2,old\n");
        zone.land(&source).await;
        let expected: Vec<String> =
            std::iter::once("1|a".to_owned()).chain(text.lines().skip(1).map(|line| line.replace(',', "|"))).collect();
        assert_eq!(zone.rows(&source).await, expected);
        assert!(!zone.land(&source).await.committed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_never_rests_is_an_error_and_lands_nothing() {
    let zone = restless(true, |raw, number| {
        std::fs::write(raw.join("b.csv"), format!("id,name\n{number},{}\n", "x".repeat(number as usize + 10))).unwrap();
    });
    let source = source(csv_format());
    zone.put("a.csv", "id,name\n1,a\n");
    zone.put("b.csv", "id,name\n2,old\n");
    let error = zone.try_land(&source).await.unwrap_err();
    assert!(matches!(error, LandError::ObjectChanged { .. }) && error.is_transient(), "{error:?}");
    assert_eq!(error.to_string(), "object `b.csv` changed while it was being read");
    assert!(zone.table.snapshot().await.unwrap().is_none());
}

/// A writer that writes into the file itself: not how objects are delivered, but how folders are filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_file_that_is_written_to_while_it_is_read_is_read_again() {
    for (number, change) in ["id,name\n1,b\n2,c\n", "id,name\n", "id,name\n1,z\n"].into_iter().enumerate() {
        let zone = Zone::new();
        let raw = zone.path("a.csv");
        let store = Restless {
            inner: zone.stores.open(&zone.raw).unwrap().0,
            after_list: Box::new(|_| {}),
            while_reading: Box::new(move |read| {
                if read == 0 {
                    std::fs::write(&raw, change).unwrap();
                    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
                    std::fs::File::options().write(true).open(&raw).unwrap().set_modified(later).unwrap();
                }
            }),
            lists: Arc::default(),
            reads: Arc::default(),
            is_remote: false,
        };
        zone.stores.replace(&zone.raw, Arc::new(store));
        zone.put("a.csv", "id,name\n1,a\n");
        let source = source(csv_format());
        zone.land(&source).await;
        let expected: Vec<String> = change.lines().skip(1).map(|line| line.replace(',', "|")).collect();
        assert_eq!(zone.rows(&source).await, expected, "change {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parquet_object_that_changes_is_read_again() {
    let bytes = |ids: Vec<i64>| {
        let ids: arrow::array::ArrayRef = Arc::new(arrow::array::Int64Array::from(ids));
        let batch = arrow::array::RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    };
    let new = bytes(vec![3, 4, 5]);
    let zone = restless(true, move |raw, number| {
        if number == 0 {
            std::fs::remove_file(raw.join("a.parquet")).unwrap();
            std::fs::write(raw.join("a.parquet"), &new).unwrap();
        }
    });
    zone.put("a.parquet", bytes(vec![1, 2]));
    let source = source(Format::Parquet);
    zone.land(&source).await;
    assert_eq!(zone.rows(&source).await, ["3|-", "4|-", "5|-"]);
}
