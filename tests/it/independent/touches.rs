//! What the demo business rarely has: several visits of a campaign's before one order, at its very moment and around the
//! limits, of campaigns and contents that nobody lists; members of campaigns who only return something or get it for nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use chrono_tz::Europe::London;
use serde_json::json;

use super::load::Rows;
use super::moments::{day_of, moment, text};

const EVENTS: [&str; 4] = ["content_view", "basket", "visit", "product_view"];
/// Minutes from a visit to the order.
const MINUTES: [i64; 9] = [0, 0, -1, 180, 7 * 1440, 12 * 1440 + 5, 19 * 1440, 20 * 1440, 29 * 1440 + 700];

/// Days from a member's draw to the only line, around the limits of both runs.
const DAYS: [i64; 7] = [0, 60, 61, 5, 90, 91, 33];
/// Quantity, revenue and margin of it.
const LINES: [&str; 4] = ["-1,-12.35,-4.10", "-2,-30.01,", "1,0.00,0.00", "-1,-8.05,"];

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
        write(&project.join(format!("raw/visits/date={day}")), "further.ndjson.gz", &visits);
    }
}

/// Writes one line each of members without any.
pub fn add_lines(project: &Path, members: &Rows) {
    const HEADER: &str = "order_no,line_no,customer_no,email,sku,quantity,net_amount,margin,campaign_code,gift_wrap,\
                          sold_at,sales_channel";
    let mut days: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    for (number, member) in members.iter().enumerate() {
        let at = moment(member, "at").unwrap() + TimeDelta::days(DAYS[number % DAYS.len()]);
        let customer = text(member, "customer_id").unwrap();
        let (line, sold_at) = (LINES[number % LINES.len()], at.with_timezone(&London).format("%Y-%m-%d %H:%M:%S"));
        let lines = days.entry(day_of(at)).or_insert_with(|| vec![HEADER.to_owned()]);
        lines.push(format!("w{number:04},1,{customer},,p{:03},{line},,false,{sold_at},store", number % 40 + 1));
    }
    for (day, lines) in days {
        write(&project.join(format!("raw/orders/date={day}")), "further.csv.gz", &lines);
    }
}

fn write(folder: &Path, name: &str, lines: &[String]) {
    std::fs::create_dir_all(folder).unwrap();
    let file = std::fs::File::create(folder.join(name)).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    packed.finish().unwrap();
}
