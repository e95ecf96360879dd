//! Visits that the demo business rarely has: several of a campaign's before one order, at its very moment and around the
//! limits, of campaigns and contents that nobody lists.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use serde_json::json;

use super::load::Rows;
use super::moments::{day_of, moment, text};

const EVENTS: [&str; 4] = ["content_view", "basket", "visit", "product_view"];
/// Minutes from a visit to the order.
const MINUTES: [i64; 9] = [0, 0, -1, 180, 7 * 1440, 12 * 1440 + 5, 19 * 1440, 20 * 1440, 29 * 1440 + 700];

/// Writes visits before orders as further raw files, each in the folder of its day.
pub fn add(project: &Path, orders: &Rows, contents: &Rows) {
    let mut days: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    for (number, order) in orders.iter().enumerate() {
        let ordered_at = moment(order, "at").unwrap();
        for step in 0..number % (MINUTES.len() + 1) {
            let at = ordered_at - TimeDelta::minutes(MINUTES[(number + step) % MINUTES.len()]);
            let campaign = format!("k{:03}", (3 * number + 5 * step) % 31);
            let content =
                contents.get((number + 3 * step) % (contents.len() + 1)).and_then(|row| text(row, "content_id"));
            let visit = json!({
                "event_id": format!("w{number:04}-{step}"),
                "visitor_id": format!("w{number:04}"),
                "customer_no": order["customer_id"],
                "at": at.to_rfc3339_opts(SecondsFormat::Secs, true),
                "event": EVENTS[(number / 7 + step) % EVENTS.len()],
                "channel": if step % 2 == 0 { "web" } else { "social" },
                "campaign_code": (step % 5 != 4).then_some(campaign),
                "content_id": content.unwrap_or_else(|| "withdrawn".to_owned()),
            });
            days.entry(day_of(at)).or_default().push(visit.to_string());
        }
    }
    for (day, visits) in days {
        let folder = project.join(format!("raw/visits/date={day}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create(folder.join("further.ndjson.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all((visits.join("\n") + "\n").as_bytes()).unwrap();
        packed.finish().unwrap();
    }
}
