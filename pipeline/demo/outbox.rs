//! Delivery: which rows lie in which object, broken, late or twice, and when the object arrived.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::breakage::Breakage;
use super::calendar::{Calendar, DAYS_AFTER};
use super::encode::{push_csv_header, push_csv_row, push_json_row};
use super::facts::{DemoObject, FeedSummary};
use super::feeds::{FEEDS, Feed, Format};
use super::ledger::Ledger;
use super::parquet_file;
use super::random::{Dice, Stream};
use super::record::{Handling, Record};
use super::rows::copy_of;
use super::settings::DemoError;

/// Share of broken rows, of late ones, and of those that are sent twice.
const BROKEN: f64 = 0.005;
const LATE: f64 = 0.006;
const TWICE: f64 = 0.003;
const LATEST: u32 = 10;

/// Days after its own on which the corrected object of the window came.
const CORRECTED_AFTER: u32 = 3;

/// Rows that wait for their day, and the objects that have been written.
#[derive(Debug)]
pub(super) struct Outbox {
    seed: u64,
    raw: PathBuf,
    days: u32,
    /// Objects of earlier days are counted, but not written.
    first_written_day: u32,
    waiting: BTreeMap<(u32, Feed), Vec<Record>>,
    /// Broken rows that a feed still owes, as a fraction: small objects cannot take one without failing a night.
    debts: BTreeMap<Feed, f64>,
    pub feeds: BTreeMap<&'static str, FeedSummary>,
    pub objects: Vec<DemoObject>,
    /// Rows delivered.
    pub rows: u64,
    /// Rows taken: the key of a row's own chance to be late.
    sent: u64,
}

impl Outbox {
    pub(super) fn new(seed: u64, raw: PathBuf, days: u32, first_written_day: u32) -> Self {
        Self {
            seed,
            raw,
            days,
            first_written_day,
            waiting: BTreeMap::new(),
            debts: BTreeMap::new(),
            feeds: FEEDS.iter().map(|feed| (feed.name(), FeedSummary::default())).collect(),
            objects: Vec::new(),
            rows: 0,
            sent: 0,
        }
    }

    /// Takes a row of this day; it is delivered on the feed's next day of delivery, and a few rows some days later.
    pub(super) fn send(&mut self, calendar: &Calendar, feed: Feed, day: u32, mut record: Record) {
        let mut delivery = day;
        self.sent += 1;
        if feed.is_weekly() {
            delivery += (1..=7).find(|ahead| calendar.is_monday(day + ahead)).unwrap_or(7);
        } else if feed.may_be_late() && record.handling == Handling::Plain {
            let mut dice = Dice::new(self.seed, Stream::Late, u64::from(day), self.sent);
            if dice.chance(LATE) {
                delivery += dice.between(1, LATEST);
                record.handling = Handling::Late;
            }
        }
        self.send_on(feed, delivery, record);
    }

    /// Takes a row that is delivered on this very day.
    pub(super) fn send_on(&mut self, feed: Feed, delivery: u32, record: Record) {
        if delivery < self.days + DAYS_AFTER + LATEST {
            self.waiting.entry((delivery, feed)).or_default().push(record);
        }
    }

    fn summary(&mut self, feed: Feed) -> &mut FeedSummary {
        self.feeds.entry(feed.name()).or_default()
    }

    /// Rows that no object holds yet.
    pub(super) fn undelivered(&self) -> u64 {
        self.waiting.values().map(|rows| rows.len() as u64).sum()
    }

    /// Writes the objects of a day, and enters into the ledger what they tell.
    pub(super) fn deliver(&mut self, calendar: &Calendar, day: u32, ledger: &mut Ledger) -> Result<(), DemoError> {
        for feed in FEEDS {
            let mut rows = self.waiting.remove(&(day, feed)).unwrap_or_default();
            if rows.is_empty() && !feed.is_daily() {
                continue;
            }
            rows.sort_by_key(|record| record.at);
            let broken = self.break_some(feed, day, &rows);
            for (index, record) in rows.iter().enumerate() {
                if !broken.contains_key(&index) {
                    record.facts.iter().for_each(|fact| ledger.apply(*fact));
                }
            }
            let twice = self.repeat_some(feed, day, &rows, &broken);
            self.record_object(calendar, feed, day, &rows, &broken)?;
            for record in twice {
                self.send_on(feed, day + 1, record);
            }
        }
        Ok(())
    }

    fn break_some(&mut self, feed: Feed, day: u32, rows: &[Record]) -> BTreeMap<usize, Breakage> {
        let mut dice = Dice::new(self.seed, Stream::Broken, u64::from(day), feed as u64);
        let most = (rows.len() as f64 * feed.broken_share_of_object()).floor();
        let debt = self.debts.entry(feed).or_default();
        *debt += rows.len() as f64 * BROKEN;
        let count = debt.floor().min(most);
        let mut broken = BTreeMap::new();
        for _ in 0..count as u32 {
            let index = dice.below(rows.len() as u32) as usize;
            if rows[index].handling == Handling::Plain && !broken.contains_key(&index) {
                *debt -= 1.0;
                broken.insert(index, Breakage::draw(feed, &rows[index], &mut dice));
            }
        }
        broken
    }

    fn repeat_some(&self, feed: Feed, day: u32, rows: &[Record], broken: &BTreeMap<usize, Breakage>) -> Vec<Record> {
        // A copy is exact: not on the eve of a new column.
        if !feed.may_be_late() || day + 1 == self.days / 2 {
            return Vec::new();
        }
        let mut dice = Dice::new(self.seed, Stream::Broken, u64::from(day), 100 + feed as u64);
        let mut chosen = Vec::new();
        for (index, record) in rows.iter().enumerate() {
            if dice.chance(TWICE) && record.handling == Handling::Plain && !broken.contains_key(&index) {
                chosen.push(copy_of(record));
            }
        }
        chosen
    }

    fn record_object(
        &mut self,
        calendar: &Calendar,
        feed: Feed,
        day: u32,
        rows: &[Record],
        broken: &BTreeMap<usize, Breakage>,
    ) -> Result<(), DemoError> {
        let date = calendar.date(day);
        let name = feed.object(&date.to_string());
        // Everything of a day arrives in the hours after it; one object was corrected later and has been sent again since.
        let is_corrected = feed == Feed::Orders && day == self.days / 3 && self.days > 2 * CORRECTED_AFTER;
        let days_after = if is_corrected { 1 + CORRECTED_AFTER } else { 1 };
        let delivered_at = calendar.instant(day + days_after, 3_600 + 60 * feed as u32);
        self.rows += rows.len() as u64;
        let path = self.raw.join(&name);
        let bytes = if day >= self.first_written_day {
            write_object(&path, feed, rows, day >= self.days / 2, broken, delivered_at)?
        } else {
            0
        };
        let count = |handling| rows.iter().filter(|record| record.handling == handling).count() as u64;
        let summary = self.summary(feed);
        summary.objects += 1;
        summary.rows += rows.len() as u64;
        summary.broken += broken.len() as u64;
        summary.twice += count(Handling::Copy);
        summary.late += count(Handling::Late);
        summary.bytes += bytes;
        if day >= self.first_written_day {
            self.objects.push(DemoObject {
                path: format!("raw/{name}"),
                feed: feed.name(),
                date,
                rows: rows.len() as u64,
                broken: broken.len() as u64,
                bytes,
                is_corrected,
            });
        }
        Ok(())
    }
}

/// Writes one object under a name that no contract matches, dates it, then renames it: a reader sees all of it or nothing.
///
/// Returns its size in bytes.
fn write_object(
    path: &Path,
    feed: Feed,
    rows: &[Record],
    is_second_half: bool,
    broken: &BTreeMap<usize, Breakage>,
    delivered_at: i64,
) -> Result<u64, DemoError> {
    put(path, delivered_at, |file| {
        if feed.format() == Format::Parquet {
            return parquet_file::write(path, file, feed, rows, &|index| broken.get(&index).copied());
        }
        let mut text = TextObject::new(file, feed.is_gzip());
        if feed.format() == Format::Csv {
            push_csv_header(&mut text.buffer, feed.columns(), is_second_half);
        }
        for (index, record) in rows.iter().enumerate() {
            let breakage = broken.get(&index).copied();
            let push = if feed.format() == Format::Csv { push_csv_row } else { push_json_row };
            push(&mut text.buffer, feed.columns(), &record.values, is_second_half, breakage);
            text.pour().map_err(DemoError::write(path))?;
        }
        text.finish().map_err(DemoError::write(path))
    })
}

/// Creates an object through `fill`, with this time of modification.
pub(super) fn put(
    path: &Path,
    delivered_at: i64,
    fill: impl FnOnce(File) -> Result<File, DemoError>,
) -> Result<u64, DemoError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DemoError::folder(folder))?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let file = File::create(&unfinished).map_err(DemoError::write(path))?;
    let file = fill(file)?;
    let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(delivered_at).unwrap_or(0));
    file.set_modified(time).map_err(DemoError::write(path))?;
    let bytes = file.metadata().map_err(DemoError::write(path))?.len();
    drop(file);
    fs::rename(&unfinished, path).map_err(DemoError::write(path))?;
    Ok(bytes)
}

/// A text object being written, packed or plain; memory holds one buffer of it.
pub(super) struct TextObject {
    pub buffer: String,
    sink: Sink,
}

enum Sink {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
}

const BUFFER_BYTES: usize = 1 << 16;

impl TextObject {
    pub(super) fn new(file: File, is_gzip: bool) -> Self {
        let file = BufWriter::new(file);
        // No time and no system in the header: the same rows are the same bytes.
        let sink = match is_gzip {
            true => {
                let header = GzBuilder::new().mtime(0).operating_system(255);
                Sink::Packed(Box::new(header.write(file, Compression::default())))
            }
            false => Sink::Plain(file),
        };
        Self { buffer: String::new(), sink }
    }

    /// Passes a full buffer on.
    pub(super) fn pour(&mut self) -> std::io::Result<()> {
        if self.buffer.len() >= BUFFER_BYTES { self.pour_all() } else { Ok(()) }
    }

    fn pour_all(&mut self) -> std::io::Result<()> {
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(self.buffer.as_bytes())?,
            Sink::Packed(file) => file.write_all(self.buffer.as_bytes())?,
        }
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> std::io::Result<File> {
        self.pour_all()?;
        let file = match self.sink {
            Sink::Plain(file) => file,
            Sink::Packed(file) => file.finish()?,
        };
        file.into_inner().map_err(std::io::IntoInnerError::into_error)
    }
}
