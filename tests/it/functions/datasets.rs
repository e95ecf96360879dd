//! Reads what the tests need of the public data sets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;

/// A customer's history in weeks, and the mean value of the purchases after the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    pub x: f64,
    pub last: f64,
    pub observed: f64,
    pub monetary: f64,
}

/// Returns the folder of a data set, or says that the test is skipped; where LIFECYCLE_REQUIRE_DATASETS is set, the test fails.
pub fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LIFECYCLE_DATASETS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/datasets"), PathBuf::from);
    let folder = root.join(name);
    if !folder.is_dir() {
        let message = format!("there is no data set {name} (LIFECYCLE_DATASETS names the folder)");
        assert!(std::env::var_os("LIFECYCLE_REQUIRE_DATASETS").is_none(), "{message}");
        println!("skipped: {message}");
        return None;
    }
    Some(folder)
}

/// Value by customer and purchase day.
type Purchases = BTreeMap<String, BTreeMap<NaiveDate, f64>>;

fn histories(purchases: &Purchases, as_of: NaiveDate) -> Vec<History> {
    let weeks = |from: NaiveDate, to: NaiveDate| (to - from).num_days() as f64 / 7.0;
    let history = |days: &BTreeMap<NaiveDate, f64>| {
        let (first, last) = (*days.keys().next().unwrap(), *days.keys().next_back().unwrap());
        let repeats = days.len() - 1;
        let spent: f64 = days.values().skip(1).sum();
        History {
            x: repeats as f64,
            last: weeks(first, last),
            observed: weeks(first, as_of),
            monetary: if repeats == 0 { 0.0 } else { spent / repeats as f64 },
        }
    };
    purchases.values().map(history).collect()
}

/// CDNOW until 1997-09-30: the sample (`sample_id` in the second column) or the master file, in the order of ids.
pub fn cdnow(file: &str) -> Option<Vec<History>> {
    let text = std::fs::read_to_string(folder("cdnow")?.join(file)).unwrap();
    let as_of = NaiveDate::from_ymd_opt(1997, 9, 30).unwrap();
    let mut purchases = Purchases::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [.., date, _, value] = fields[..] else { continue };
        let Ok(day) = NaiveDate::parse_from_str(date, "%Y%m%d") else { continue };
        let customer = fields[fields.len() - 4].to_string();
        if day <= as_of {
            *purchases.entry(customer).or_default().entry(day).or_default() += value.parse::<f64>().unwrap();
        }
    }
    Some(histories(&purchases, as_of))
}

/// The gift wholesaler, with sales only or with returns as negative lines.
pub fn online_retail(with_returns: bool) -> Option<Vec<History>> {
    let as_of = NaiveDate::from_ymd_opt(2011, 12, 9).unwrap();
    // Cents and pieces by customer and day.
    let mut days: BTreeMap<String, BTreeMap<NaiveDate, (i64, i64)>> = BTreeMap::new();
    for file in std::fs::read_dir(folder("online_retail")?.join("by-day")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines().skip(1) {
            // Only the description may be quoted: the numbers follow its last comma but five.
            let fields: Vec<&str> = line.rsplitn(6, ',').collect();
            let [_country, customer, price, time, pieces, _] = fields[..] else { continue };
            let (price, pieces) = (price.parse::<f64>().unwrap(), pieces.parse::<i64>().unwrap());
            if customer.is_empty() || (!with_returns && (pieces <= 0 || price <= 0.0)) {
                continue;
            }
            let day = NaiveDate::parse_from_str(&time[..10], "%Y-%m-%d").unwrap();
            let total = days.entry(customer.to_string()).or_default().entry(day).or_default();
            total.0 += (price * pieces as f64 * 100.0).round() as i64;
            total.1 += pieces;
        }
    }
    let mut purchases = Purchases::new();
    for (customer, days) in days {
        for (day, (cents, pieces)) in days {
            if cents > 0 || (cents == 0 && pieces > 0) {
                purchases.entry(customer.clone()).or_default().insert(day, cents as f64 / 100.0);
            }
        }
    }
    Some(histories(&purchases, as_of))
}
