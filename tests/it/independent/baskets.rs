//! product_affinity and next_product.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Facts, Line};
use super::load::Run;
use super::sales::is_purchase;

/// An order of more products is stock.
const LARGEST: usize = 1000;
const OFFERS: usize = 3;
const LEVELS: [&str; 2] = ["product", "category"];

/// Two items that are bought together.
struct Pair<'a> {
    items: (&'a str, &'a str),
    /// With both, with the first, with the second, and all.
    baskets: i64,
    baskets_a: i64,
    baskets_b: i64,
    all: i64,
}

impl Pair<'_> {
    fn is_more_than_chance(&self) -> bool {
        self.baskets * self.all > self.baskets_a * self.baskets_b
    }

    /// The higher confidence first.
    fn by_confidence(&self, other: &Self) -> Ordering {
        (other.baskets * self.baskets_a).cmp(&(self.baskets * other.baskets_a))
    }

    fn confidence(&self) -> Cell {
        ratio(self.baskets, self.baskets_a)
    }

    fn lift(&self) -> Cell {
        ratio(self.baskets * self.all, self.baskets_a * self.baskets_b)
    }
}

/// The products of every order that counts and has a positive line, whoever's it is.
fn baskets(facts: &Facts) -> Vec<BTreeSet<&str>> {
    let mut orders: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &facts.lines {
        orders.entry(&line.order).or_default().push(line);
    }
    let mut baskets = Vec::new();
    for lines in orders.values().filter(|lines| is_purchase(lines)) {
        let positive = || lines.iter().filter(|line| line.quantity > 0);
        let bought = || positive().filter_map(|line| Some((line.day, line.product.as_deref()?)));
        let size = bought().collect::<BTreeSet<(NaiveDate, &str)>>().len();
        if positive().next().is_some() && size <= LARGEST {
            baskets.push(bought().map(|(_, product)| product).collect());
        }
    }
    baskets
}

/// The pairs of one level that are frequent enough, in both directions.
fn pairs<'a>(facts: &'a Facts, level: &str) -> Vec<Pair<'a>> {
    let baskets = baskets(facts);
    let all = baskets.len() as i64;
    let mut singles: BTreeMap<&str, i64> = BTreeMap::new();
    let mut together: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for products in baskets {
        let category = |product: &&str| facts.categories.get(*product).map(String::as_str);
        let items: BTreeSet<&str> =
            if level == "product" { products } else { products.iter().filter_map(category).collect() };
        for item in &items {
            *singles.entry(item).or_default() += 1;
            for other in items.iter().filter(|other| *other != item) {
                *together.entry((item, other)).or_default() += 1;
            }
        }
    }
    let frequent =
        together.into_iter().filter(|(_, baskets)| baskets * 1_000_000 >= all * facts.parameters.affinity_min_support);
    let pairs = frequent.map(|(items, baskets)| Pair {
        items,
        baskets,
        baskets_a: singles[items.0],
        baskets_b: singles[items.1],
        all,
    });
    pairs.collect()
}

pub fn product_affinity(run: &Run) -> Expected {
    let mut rows = Vec::new();
    for level in LEVELS {
        for pair in pairs(&run.facts, level) {
            rows.push(Row::from([
                ("level", level.into()),
                ("item_a", pair.items.0.into()),
                ("item_b", pair.items.1.into()),
                ("baskets", pair.baskets.into()),
                ("baskets_a", pair.baskets_a.into()),
                ("baskets_b", pair.baskets_b.into()),
                ("all_baskets", pair.all.into()),
                ("support", ratio(pair.baskets, pair.all)),
                ("confidence", pair.confidence()),
                ("lift_ratio", pair.lift()),
            ]));
        }
    }
    Expected { grain: &["level", "item_a", "item_b"], rows }
}

pub fn next_product(run: &Run) -> Expected {
    let facts = &run.facts;
    let pairs = pairs(facts, "product");
    let mut bought: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in facts.lines.iter().filter(|line| line.quantity > 0) {
        if let (Some(customer), Some(product)) = (&line.customer, &line.product) {
            bought.entry(customer).or_default().insert(product);
        }
    }
    let mut rows = Vec::new();
    for (customer, bought) in bought {
        let is_offer = |pair: &&Pair| bought.contains(pair.items.0) && !bought.contains(pair.items.1);
        let mut offers: Vec<&Pair> = pairs.iter().filter(is_offer).filter(|pair| pair.is_more_than_chance()).collect();
        offers.sort_by(|left, right| {
            let by_item = (left.items.1, left.items.0).cmp(&(right.items.1, right.items.0));
            left.by_confidence(right).then(by_item)
        });
        let mut offered = BTreeSet::new();
        offers.retain(|pair| offered.insert(pair.items.1));
        rows.extend((1..).zip(offers.into_iter().take(OFFERS)).map(|(rank, pair)| {
            Row::from([
                ("customer_id", customer.into()),
                ("rank", Cell::Integer(rank)),
                ("product_id", pair.items.1.into()),
                ("because_of", pair.items.0.into()),
                ("confidence", pair.confidence()),
                ("lift_ratio", pair.lift()),
            ])
        }));
    }
    Expected { grain: &["customer_id", "rank"], rows }
}
