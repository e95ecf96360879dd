//! Deliveries after the fact: an object that changed, and one that came late.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use flate2::read::MultiGzDecoder;

use super::encode::push_csv_header;
use super::feeds::Feed;
use super::outbox::{TextObject, put};
use super::settings::DemoError;

/// An order line that a correction changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedLine {
    /// Relative to the demo's directory.
    pub object: String,
    pub order_no: String,
    pub line_no: String,
    pub customer_no: String,
    /// The business day of the sale.
    pub sold_on: NaiveDate,
    /// Net amounts in hundredths.
    pub cents_before: i64,
    pub cents_now: i64,
}

/// An order in an object that came late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateOrder {
    /// Relative to the demo's directory.
    pub object: String,
    pub order_no: String,
    pub sold_on: NaiveDate,
    /// In hundredths.
    pub cents: i64,
}

const CORRECTION_CENTS: i64 = 1_000;
const LATE_CENTS: i64 = 2_500;

/// Delivers a day's orders once more, with one line 10.00 dearer; dated to the night after `delivered_on`.
///
/// The line is the first whole one of a customer who left an email address, which no scripted customer did.
pub fn deliver_correction(
    directory: &Path,
    day: NaiveDate,
    delivered_on: NaiveDate,
) -> Result<CorrectedLine, DemoError> {
    let (object, path) = place(directory, &Feed::Orders.object(&day.to_string()));
    let mut text = String::new();
    let file = File::open(&path).map_err(DemoError::read(&path))?;
    MultiGzDecoder::new(file).read_to_string(&mut text).map_err(DemoError::read(&path))?;
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let found = text.lines().enumerate().skip(1).find_map(|(number, line)| {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &str| column(name).and_then(|at| fields.get(at)).copied().filter(|field| !field.is_empty());
        if fields.len() != header.len() || field("email").is_none() || field("sku").is_none() {
            return None;
        }
        field("quantity")?.parse::<i64>().ok()?;
        field("margin").map_or(Ok(0), cents_of).ok()?;
        field("sales_channel").filter(|channel| ["web", "phone", "store"].contains(channel))?;
        let sold_at = NaiveDateTime::parse_from_str(field("sold_at")?, "%Y-%m-%d %H:%M:%S").ok()?;
        let cents = cents_of(field("net_amount")?).ok()?;
        let corrected = CorrectedLine {
            object: object.clone(),
            order_no: field("order_no")?.to_owned(),
            line_no: field("line_no").filter(|line| line.parse::<u32>().is_ok())?.to_owned(),
            customer_no: field("customer_no")?.to_owned(),
            sold_on: sold_at.date(),
            cents_before: cents,
            cents_now: cents + CORRECTION_CENTS,
        };
        let mut fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
        *fields.get_mut(column("net_amount")?)? =
            format!("{}.{:02}", corrected.cents_now / 100, corrected.cents_now % 100);
        Some((number, fields.join(","), corrected))
    });
    let Some((changed, new_line, corrected)) = found else { return Err(DemoError::NothingToCorrect { path }) };
    let lines = text.lines().enumerate().map(|(number, line)| if number == changed { new_line.as_str() } else { line });
    write_lines(&path, delivered_on, lines)?;
    Ok(corrected)
}

/// Money of a line that is not a return, in hundredths.
fn cents_of(text: &str) -> Result<i64, std::num::ParseIntError> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Ok(whole.parse::<i64>()? * 100 + sign * part.parse::<i64>()?)
}

/// Delivers an order of an old day in an object of its own, below that day's folder; dated to the night after `delivered_on`.
pub fn deliver_late_object(
    directory: &Path,
    day: NaiveDate,
    customer_no: &str,
    delivered_on: NaiveDate,
) -> Result<LateOrder, DemoError> {
    let name = Feed::Orders.object(&day.to_string()).replace("orders.csv", "orders-late.csv");
    let (object, path) = place(directory, &name);
    let mut header = String::new();
    push_csv_header(&mut header, Feed::Orders.columns(), true);
    // Beyond any number that the shop has given out.
    let order_no = format!("o9{}", day.format("%Y%m%d"));
    let net = format!("{}.{:02}", LATE_CENTS / 100, LATE_CENTS % 100);
    let line = format!("{order_no},1,{customer_no},,p001,1,{net},10.00,,false,{day} 12:00:00,store");
    write_lines(&path, delivered_on, [header.trim_end(), line.as_str()].into_iter())?;
    Ok(LateOrder { object, order_no, sold_on: day, cents: LATE_CENTS })
}

fn place(directory: &Path, name: &str) -> (String, PathBuf) {
    (format!("raw/{name}"), directory.join("raw").join(name))
}

fn write_lines<'a>(
    path: &Path,
    delivered_on: NaiveDate,
    lines: impl Iterator<Item = &'a str>,
) -> Result<(), DemoError> {
    let morning = delivered_on.checked_add_days(Days::new(1)).unwrap_or(delivered_on);
    let delivered_at = morning.and_time(NaiveTime::MIN).and_utc().timestamp() + 2 * 3_600;
    put(path, delivered_at, |file| {
        let mut text = TextObject::new(file, true);
        for line in lines {
            text.buffer.push_str(line);
            text.buffer.push('\n');
            text.pour().map_err(DemoError::write(path))?;
        }
        text.finish().map_err(DemoError::write(path))
    })?;
    Ok(())
}
