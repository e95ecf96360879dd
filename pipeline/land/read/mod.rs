//! Reads one object: bytes arrive in one task, are decompressed in a second thread and become rows in a third.

mod chunk;
mod csv;
mod decompress;
mod json;
mod parquet;
mod text;
mod thrift;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::{GetOptions, GetResultPayload, ObjectStore};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;

pub use self::parquet::is_decoding;
pub(crate) use chunk::{Rejected, Rows, with_day_and_key};
use decompress::{DataEnd, Input, InputError, Origin, decompress};
use text::{Scan, TextReader};

use super::contract::Contract;
use super::diff::FoundObject;
use super::error::LandError;
use crate::config::{Compression, Format};

/// Sizes that bound the memory of one object's reading; results do not depend on them, but for `record_bytes`.
#[derive(Debug, Clone, Copy)]
pub struct ReadSizes {
    /// Bytes that are decompressed and scanned at once.
    pub block_bytes: usize,
    /// Longer records are rejected.
    pub record_bytes: usize,
}

impl Default for ReadSizes {
    fn default() -> Self {
        Self { block_bytes: 1 << 20, record_bytes: 16 << 20 }
    }
}

/// What reading an object gives, in its order.
#[derive(Debug)]
pub(crate) enum Event {
    Rows(Rows),
    /// The object has been read; the names of its fields, where they have an order.
    End {
        header: Option<Vec<String>>,
        /// It holds more than an object may, and the rest was not read.
        is_cut: bool,
    },
}

/// An object that is being read. Dropping it stops the reading.
pub(crate) struct ObjectReader {
    bytes: Arc<AtomicU64>,
    events: mpsc::Receiver<Result<Event, LandError>>,
    tasks: JoinSet<()>,
}

/// Stretches of an object that wait to be taken.
const WAITING_EVENTS: usize = 2;
const WAITING_BLOCKS: usize = 2;
const WAITING_BYTES: usize = 8;

impl ObjectReader {
    /// Starts to read an object.
    pub fn start(
        store: Arc<dyn ObjectStore>,
        object: FoundObject,
        contract: Arc<Contract>,
        compression: Option<Compression>,
        sizes: ReadSizes,
    ) -> Self {
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = bytes.clone();
        let mut tasks = JoinSet::new();
        let reading = async move {
            let outcome = match contract.format {
                Format::Parquet => parquet::read(store, &object, &contract, &sender).await,
                Format::Csv(_) | Format::NdJson => {
                    let compression = compression.unwrap_or_else(|| by_ending(&object.name));
                    read_text(store, &object, contract, compression, sizes, counter, &sender).await
                }
            };
            if let Err(error) = outcome {
                // Nobody listens any more: then nobody misses the error either.
                let _ = sender.send(Err(error)).await;
            }
        };
        tasks.spawn(reading.in_current_span());
        Self { bytes, events, tasks }
    }

    /// Compressed bytes that have been read so far; not counted for Parquet.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next stretch; `None` after the end, or when reading stopped without one.
    pub async fn next(&mut self) -> Option<Result<Event, LandError>> {
        let event = self.events.recv().await;
        if event.is_none() {
            self.tasks.abort_all();
        }
        event
    }
}

/// The compression that an object's name tells.
fn by_ending(name: &str) -> Compression {
    let ending = name.rsplit('.').next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "gz" | "gzip" => Compression::Gzip,
        "zst" | "zstd" => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Sorts a store's error into "changed since it was listed" and the rest.
fn read_error(object: &FoundObject, error: object_store::Error) -> LandError {
    match error {
        object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. } => {
            LandError::ObjectChanged { object: object.name.clone() }
        }
        source => LandError::Read { object: object.name.clone(), source: Box::new(source) },
    }
}

fn get_options(object: &FoundObject) -> GetOptions {
    GetOptions { if_match: object.has_store_etag.then(|| object.etag.clone()), ..GetOptions::default() }
}

type Events = mpsc::Sender<Result<Event, LandError>>;

async fn read_text(
    store: Arc<dyn ObjectStore>,
    object: &FoundObject,
    contract: Arc<Contract>,
    compression: Compression,
    sizes: ReadSizes,
    counter: Arc<AtomicU64>,
    events: &Events,
) -> Result<(), LandError> {
    let got = store.get_opts(&object.path, get_options(object)).await.map_err(|error| read_error(object, error))?;
    let mut fetching = JoinSet::new();
    let (size, modified) = (got.meta.size, got.meta.last_modified);
    let origin = match got.payload {
        GetResultPayload::File(file, _) => Origin::File(file),
        GetResultPayload::Stream(mut stream) => {
            let (bytes, arriving) = mpsc::channel(WAITING_BYTES);
            let fetch = async move {
                use futures::StreamExt;
                while let Some(part) = stream.next().await {
                    if bytes.send(part).await.is_err() {
                        break;
                    }
                }
            };
            fetching.spawn(fetch.in_current_span());
            Origin::Stream(arriving)
        }
    };
    let input = Input::new(origin, size, modified, counter);
    let (parts, decompressed) = mpsc::channel::<Part>(WAITING_BLOCKS);
    let limit = contract.max_object_bytes;
    let decompressing = tokio::task::spawn_blocking(move || {
        let outcome = decompress(input, compression, sizes.block_bytes, limit, |block| {
            parts.blocking_send(Part::Block(block)).is_ok()
        });
        // Without a listener the outcome does not matter.
        let _ = parts.blocking_send(match outcome {
            Ok(end) => Part::End(end),
            Err(error) => Part::Failed(error),
        });
    });
    let events = events.clone();
    let parsing = tokio::task::spawn_blocking(move || match &contract.format {
        Format::Csv(options) => {
            let scanner = csv::CsvScanner::new(&contract, options);
            parse(TextReader::new(&contract, scanner, sizes.record_bytes), decompressed, &events, limit)
        }
        Format::NdJson | Format::Parquet => {
            let scanner = json::JsonScanner::new(&contract);
            parse(TextReader::new(&contract, scanner, sizes.record_bytes), decompressed, &events, limit)
        }
    });
    let parsed = parsing.await.map_err(|_| LandError::Stopped)?;
    decompressing.await.map_err(|_| LandError::Stopped)?;
    match parsed {
        Ok(()) => Ok(()),
        Err(ParseError::Input(InputError::Store(error))) => Err(read_error(object, error)),
        Err(ParseError::Input(InputError::File(source))) => {
            Err(LandError::Read { object: object.name.clone(), source: Box::new(source) })
        }
        Err(ParseError::Input(InputError::Changed)) => Err(LandError::ObjectChanged { object: object.name.clone() }),
        Err(ParseError::Columns(source)) => Err(LandError::Columns { object: object.name.clone(), source }),
    }
}

/// Why the rest of an object was not read.
fn too_large(limit: u64) -> String {
    let (size, unit) = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        .into_iter()
        .find(|(shift, _)| limit.trailing_zeros() >= *shift)
        .map_or((limit, "bytes"), |(shift, unit)| (limit >> shift, unit));
    format!(
        "the object holds more than {size} {unit} of data, and the rest was not read: `max_object_bytes` is the limit"
    )
}

/// Reads one refused record again from the text that was kept of it, as if its object had been read up to there.
///
/// `header`: the names of a CSV object's fields. `None`: the record cannot be read without its object.
pub(crate) fn read_kept(
    contract: &Contract,
    header: Option<&[String]>,
    text: &str,
    line: u64,
    offset: u64,
) -> Result<Option<Vec<Rows>>, arrow::error::ArrowError> {
    const NO_LIMIT: usize = usize::MAX - 1;
    let rows = match &contract.format {
        Format::Csv(options) => {
            let mut scanner = csv::CsvScanner::new(contract, options);
            if options.header && header.is_none_or(|names| scanner.read_header(names.to_vec()).is_err()) {
                return Ok(None);
            }
            TextReader::new(contract, scanner, NO_LIMIT).record(text.as_bytes(), line, offset)?
        }
        Format::NdJson => {
            let scanner = json::JsonScanner::new(contract);
            TextReader::new(contract, scanner, NO_LIMIT).record(text.as_bytes(), line, offset)?
        }
        // Only the columns that the contract named are kept of a Parquet row.
        Format::Parquet => return Ok(None),
    };
    Ok((!rows.is_empty()).then_some(rows))
}

/// What the decompressing thread hands to the parsing one.
enum Part {
    Block(Vec<u8>),
    End(DataEnd),
    Failed(InputError),
}

enum ParseError {
    Input(InputError),
    Columns(arrow::error::ArrowError),
}

/// Parses blocks until their end, or until nobody wants more rows.
fn parse<S: Scan>(
    mut reader: TextReader<'_, S>,
    mut parts: mpsc::Receiver<Part>,
    events: &Events,
    limit: u64,
) -> Result<(), ParseError> {
    loop {
        let mut is_cut = false;
        let (rows, is_end) = match parts.blocking_recv() {
            Some(Part::Block(block)) => (reader.push(&block), reader.is_fatal),
            Some(Part::End(DataEnd::Complete)) => (reader.end(None), true),
            Some(Part::End(DataEnd::Broken(reason))) => (reader.end(Some(reason)), true),
            Some(Part::End(DataEnd::TooLarge)) => {
                is_cut = true;
                (reader.end(Some(&too_large(limit))), true)
            }
            Some(Part::Failed(error)) => return Err(ParseError::Input(error)),
            Some(Part::End(DataEnd::Unwanted)) | None => return Ok(()),
        };
        for rows in rows.map_err(ParseError::Columns)? {
            if events.blocking_send(Ok(Event::Rows(rows))).is_err() {
                return Ok(());
            }
        }
        if is_end {
            // Without a listener the end does not matter.
            let _ = events.blocking_send(Ok(Event::End { header: reader.header(), is_cut }));
            return Ok(());
        }
    }
}
