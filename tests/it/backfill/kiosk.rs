//! A business of a few sales a day, with every kind of table that a backfill tells apart.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::run::{Ran, Rows, Shop};

/// A project with its raw files. Its days go over the end of November 2025.
pub struct Kiosk(pub Shop);

const JOB: &str = "
sources:
  sales:
    location: ${raw}/sales/date={day}/*.csv
    format: csv
    key: [sale_id]
    event_time: sold_at
    columns:
      sale_id: {type: string, required: true}
      sold_at: {type: timestamp, required: true, timezone: Europe/London}
      customer_id: {type: string, required: true}
      amount: {type: \"decimal(12,2)\", required: true}
    max_rejected: 50%
  members:
    location: ${raw}/members/*.ndjson
    format: ndjson
    key: [customer_id]
    columns:
      customer_id: {type: string, required: true}
      joined_on: {type: date, required: true}
models: [marts]
publish: {exports: [csv]}
";

/// Name, SQL, and the YAML's lines but the description and the columns.
const MODELS: [(&str, &str, &str, &str); 10] = [
    (
        "staging/sales",
        "select sale_id, sold_at, customer_id, amount from landed.sales",
        "",
        "sale_id string, sold_at timestamp, customer_id string, amount decimal(12;2)",
    ),
    ("staging/members", "select customer_id, joined_on from landed.members", "", "customer_id string, joined_on date"),
    (
        "intermediate/sale_days",
        "select business_day(sold_at) as day, customer_id, sum(amount) as amount, count(*) as sales
        from staging.sales group by 1, 2",
        "materialized: incremental\nday: day\ngrain: [day, customer_id]",
        "day date, customer_id string, amount decimal(18;2), sales integer",
    ),
    (
        "intermediate/buyers",
        "select customer_id, sum(amount) as amount, sum(sales) as sales, max(day) as last_on
        from intermediate.sale_days where day <= $as_of group by 1",
        "grain: [customer_id]",
        "customer_id string, amount decimal(18;2), sales integer, last_on date",
    ),
    (
        "intermediate/past_sales",
        "select sale_id, customer_id, amount from staging.sales where business_day(sold_at) <= $as_of",
        "materialized: view",
        "sale_id string, customer_id string, amount decimal(12;2)",
    ),
    // A history of every day.
    (
        "marts/balances",
        "select buyers.customer_id, buyers.amount, buyers.last_on, members.joined_on
        from intermediate.buyers left join staging.members on members.customer_id = buyers.customer_id
            and members.joined_on <= $as_of",
        "history: daily\ngrain: [customer_id]",
        "customer_id string, amount decimal(18;2), last_on date, joined_on date",
    ),
    // One of the ends of months.
    (
        "marts/largest",
        "select customer_id, max(amount) as amount from intermediate.past_sales group by 1",
        "history: monthly\ngrain: [customer_id]",
        "customer_id string, amount decimal(12;2)",
    ),
    // None, of the day.
    (
        "marts/totals",
        "select count(*) as buyers, sum(amount) as amount from intermediate.buyers",
        "grain: []",
        "buyers integer, amount decimal(28;2)",
    ),
    // None, whatever the day.
    (
        "marts/calendar",
        "select day, sum(sales) as sales from intermediate.sale_days group by 1",
        "grain: [day]",
        "day date, sales integer",
    ),
    // A history of what does not depend on the day.
    (
        "marts/spenders",
        "select customer_id, sum(amount) as amount from staging.sales group by 1",
        "history: daily\ngrain: [customer_id]",
        "customer_id string, amount decimal(18;2)",
    ),
];

pub fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 11, 26).unwrap()
}

/// The n-th day after the first.
pub fn day(number: u64) -> NaiveDate {
    first_day() + Days::new(number)
}

/// How many days have sales.
pub const DAYS: u64 = 8;

impl Kiosk {
    /// Its files; what is sold depends on the seed alone. Some sales come days late, some come again with another amount.
    pub fn new(seed: u64) -> Self {
        let kiosk = Self::without_sales();
        for number in 0..DAYS {
            kiosk.deliver(seed, number);
        }
        kiosk
    }

    /// The project, before the first file.
    pub fn without_sales() -> Self {
        let shop = Shop::bare();
        shop.write("jobs/nightly.yaml", &format!("name: nightly\ndescription: A kiosk.{JOB}"));
        for (name, sql, facts, columns) in MODELS {
            let column = |text: &str| {
                let (name, kind) = text.trim().split_once(' ').unwrap();
                format!("  - {{name: {name}, type: \"{}\", description: A column.}}\n", kind.replace(';', ","))
            };
            let columns: String = columns.split(", ").map(column).collect();
            shop.write(&format!("sql/{name}.sql"), &format!("{sql}\n"));
            shop.write(&format!("sql/{name}.yaml"), &format!("description: A table.\n{facts}\ncolumns:\n{columns}"));
        }
        std::fs::create_dir_all(shop.path("raw/sales")).unwrap();
        std::fs::create_dir_all(shop.path("raw/members")).unwrap();
        Self(shop)
    }

    /// Writes the files that come on a day.
    pub fn deliver(&self, seed: u64, number: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed * 1_000 + number);
        let random = &mut random;
        let (mut sales, mut members) = ("sale_id,sold_at,customer_id,amount\n".to_owned(), String::new());
        for sale in 0..random.random_range(3..20) {
            let late = random.random_range(0..3_u64).min(number) * u64::from(random.random_range(0..5) == 0);
            // A sale that was told before, and is told anew.
            let again = number > 0 && random.random_range(0..8) == 0;
            let id = if again { format!("{}-1", number - 1) } else { format!("{number}-{sale}") };
            let (on, hour) = (day(number - late), random.random_range(0..24));
            let (customer, cents) = (random.random_range(0..9), random.random_range(1..90_000));
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            let amount = if random.random_range(0..15) == 0 { "free".to_owned() } else { amount };
            sales.push_str(&format!("{id},{on} {hour:02}:30:00,c{customer},{amount}\n"));
            if random.random_range(0..3) == 0 {
                let member = random.random_range(0..9);
                members.push_str(&format!("{{\"customer_id\":\"c{member}\",\"joined_on\":\"{}\"}}\n", day(number)));
            }
        }
        self.0.write(&format!("raw/sales/date={}/sales.csv", day(number)), &sales);
        self.0.write(&format!("raw/members/{number}.ndjson"), &members);
    }

    /// The same files, and nothing has run.
    pub fn anew(&self) -> Self {
        let other = self.0.copy();
        for folder in ["warehouse", ".lifecycle"] {
            let _ = std::fs::remove_dir_all(other.path(folder));
        }
        Self(other)
    }

    pub fn run(&self, number: u64) -> Ran {
        self.0.night(day(number))
    }

    /// Runs the backfill of some days, both included.
    pub fn backfill(&self, from: u64, to: u64, more: &[&str]) -> Ran {
        self.0.lifecycle(&self.arguments(from, to, more).iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn arguments(&self, from: u64, to: u64, more: &[&str]) -> Vec<String> {
        let (from, to) = (day(from).to_string(), day(to).to_string());
        let words = ["backfill", "nightly", "--from", &from, "--to", &to];
        words.into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
    }

    /// Every row that anybody can see: landed, rejected, of current tables and of histories.
    pub fn rows(&self) -> BTreeMap<String, Rows> {
        let mut rows = self.0.landed();
        let names = self.0.release().tables.into_keys();
        rows.extend(self.0.read(None, &names.map(|name| (name.clone(), format!("select * from {name}"))).collect()));
        rows
    }
}
