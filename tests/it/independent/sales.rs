//! Lines, orders and purchase days.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::Parameters;
use super::customers::Identities;
use super::load::Rows;
use super::moments::{cents, day_of, moment, rounded, scaled, text, whole};

#[derive(Clone)]
pub struct Line {
    pub order: String,
    pub line_no: i64,
    /// None: anonymous.
    pub customer: Option<String>,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub product: Option<String>,
    /// Thousandths.
    pub quantity: i64,
    pub revenue: i64,
    pub margin: i64,
    pub campaign: Option<String>,
}

/// An order of a customer that counts.
pub struct Order {
    pub customer: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub revenue: i64,
    pub margin: i64,
    /// The campaign of its first line that has one.
    pub campaign: Option<String>,
}

/// A customer with a purchase day.
pub struct Buyer {
    pub lines: Vec<Line>,
    /// Purchase days in order, with the moment and the revenue of each.
    pub purchases: Vec<(NaiveDate, DateTime<Utc>, i64)>,
    pub orders: i64,
    pub revenue: i64,
    pub margin: i64,
}

impl Buyer {
    /// None for someone whose lines make no purchase day.
    pub fn new(lines: Vec<Line>) -> Option<Self> {
        let mut days: BTreeMap<NaiveDate, Vec<&Line>> = BTreeMap::new();
        for line in &lines {
            days.entry(line.day).or_default().push(line);
        }
        let mut purchases = Vec::new();
        for (day, lines) in &days {
            if is_purchase(lines) {
                let positive = lines.iter().filter(|line| line.quantity > 0).map(|line| line.at).min();
                let at = positive.or_else(|| lines.iter().map(|line| line.at).min());
                purchases.push((*day, at.unwrap(), lines.iter().map(|line| line.revenue).sum()));
            }
        }
        if purchases.is_empty() {
            return None;
        }
        let (revenue, margin) = lines.iter().fold((0, 0), |sum, line| (sum.0 + line.revenue, sum.1 + line.margin));
        Some(Self { purchases, orders: orders(&lines).len() as i64, revenue, margin, lines })
    }

    pub fn first(&self) -> NaiveDate {
        self.purchases[0].0
    }

    pub fn last(&self) -> NaiveDate {
        self.purchases[self.purchases.len() - 1].0
    }

    pub fn bought(&self, in_window: impl Fn(NaiveDate) -> bool) -> bool {
        self.purchases.iter().any(|purchase| in_window(purchase.0))
    }

    /// Revenue and margin of the days that are chosen.
    pub fn money(&self, is_chosen: impl Fn(NaiveDate) -> bool) -> (i64, i64) {
        let lines = self.lines.iter().filter(|line| is_chosen(line.day));
        lines.fold((0, 0), |sum, line| (sum.0 + line.revenue, sum.1 + line.margin))
    }
}

/// All lines up to as_of, the anonymous ones too.
pub fn lines(rows: &Rows, identities: &Identities, parameters: &Parameters) -> Vec<Line> {
    let all = rows.iter().map(|row| {
        let at = moment(row, "ordered_at").unwrap();
        let revenue = cents(row, "net_amount").unwrap();
        Line {
            order: text(row, "order_id").unwrap(),
            line_no: whole(row, "line_no").unwrap(),
            customer: text(row, "customer_id").map(|id| identities.resolve(&id)),
            at,
            day: day_of(at),
            product: text(row, "product_id"),
            quantity: scaled(row, "quantity", 1000.0).unwrap(),
            revenue,
            margin: cents(row, "margin").unwrap_or_else(|| rounded(revenue * parameters.default_margin_rate, 1000)),
            campaign: text(row, "campaign_id"),
        }
    });
    all.filter(|line| line.day <= parameters.as_of).collect()
}

/// The lines of each customer.
pub fn by_customer(lines: &[Line]) -> BTreeMap<String, Vec<Line>> {
    let mut customers: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for line in lines {
        if let Some(customer) = &line.customer {
            customers.entry(customer.clone()).or_default().push(line.clone());
        }
    }
    customers
}

/// Whether lines count as a purchase: they leave money, or goods for nothing.
pub fn is_purchase(lines: &[&Line]) -> bool {
    let revenue: i64 = lines.iter().map(|line| line.revenue).sum();
    let quantity: i64 = lines.iter().map(|line| line.quantity).sum();
    revenue > 0 || (revenue == 0 && quantity > 0)
}

/// The orders of one customer that count.
pub fn orders(lines: &[Line]) -> Vec<Order> {
    let mut orders: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        orders.entry(&line.order).or_default().push(line);
    }
    let counted = orders.into_values().filter(|lines| is_purchase(lines));
    counted
        .map(|mut lines| {
            lines.sort_by_key(|line| (line.at, line.line_no));
            let first = lines[0];
            Order {
                customer: first.customer.clone().unwrap(),
                at: first.at,
                day: first.day,
                revenue: lines.iter().map(|line| line.revenue).sum(),
                margin: lines.iter().map(|line| line.margin).sum(),
                campaign: lines.iter().find_map(|line| line.campaign.clone()),
            }
        })
        .collect()
}
