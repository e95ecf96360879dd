//! What the shop sells and tells: products, content.

use super::calendar::Calendar;
use super::ledger::NO_FACTS;
use super::record::{Handling, Record, Value};

pub(super) const CATEGORIES: [&str; 12] = [
    "tea",
    "coffee",
    "baking",
    "pans",
    "knives",
    "glass",
    "china",
    "linen",
    "candles",
    "storage",
    "garden table",
    "gifts",
];

/// Title, in tiers of price: the shop has each thing plain, good and best.
const THINGS: [[&str; 2]; 12] = [
    ["Breakfast tea", "Jasmine tea"],
    ["House coffee", "Single-estate coffee"],
    ["Cake tin", "Mixing bowl"],
    ["Saucepan", "Frying pan"],
    ["Paring knife", "Bread knife"],
    ["Tumbler, set of 4", "Wine glass, set of 6"],
    ["Dinner plate", "Mug, \"Good Morning\""],
    ["Tea towel", "Tablecloth"],
    ["Beeswax candle", "Lantern"],
    ["Kilner jar", "Bread bin"],
    ["Picnic rug", "Jug, enamelled"],
    ["Gift box", "Café voucher"],
];

const TIERS: [&str; 3] = ["", " (classic)", " (fine)"];
const CATEGORY_CENTS: [i64; 12] = [495, 795, 1_250, 2_400, 1_800, 1_650, 950, 850, 1_100, 1_450, 2_100, 1_500];

/// Products that nobody ever put into a category.
const UNSORTED: [(&str, i64); 3] = [("Repair of a knife", 900), ("Sample bag", 250), ("Engraving", 1_200)];

pub(super) const PRODUCTS: u8 = 12 * 6 + 3;

/// A product by its number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product(pub u8);

impl Product {
    /// The products of a category, cheapest first: even numbers are its first thing, odd ones its second.
    pub(super) fn of(category: u8, tier: u8, second_thing: bool) -> Self {
        Self((category % 12) * 6 + (tier % 3) * 2 + u8::from(second_thing))
    }

    pub(super) fn unsorted(number: u8) -> Self {
        Self(72 + number % 3)
    }

    pub(super) fn sku(self) -> Value {
        Value::Id('p', u32::from(self.0) + 1)
    }

    fn category(self) -> Option<usize> {
        (self.0 < 72).then_some(usize::from(self.0) / 6)
    }

    /// What counts as one product of a profile: its category, or itself where it has none.
    pub(super) fn item(self) -> u8 {
        match self.category() {
            Some(category) => category as u8,
            None => 12 + (self.0 - 72) % 3,
        }
    }

    fn title(self) -> String {
        let tier = usize::from(self.0 % 6) / 2;
        match self.category() {
            Some(category) => format!("{}{}", THINGS[category][usize::from(self.0 % 2)], TIERS[tier]),
            None => UNSORTED[usize::from(self.0 - 72) % 3].0.to_owned(),
        }
    }

    /// The list price on a day: it rises by 4 % with every catalogue, to the next 5 pence.
    pub(super) fn price_cents(self, day: u32) -> i64 {
        let base = match self.category() {
            Some(category) => {
                let tier = [100, 160, 270][usize::from(self.0 % 6) / 2];
                CATEGORY_CENTS[category] * tier * (100 + 35 * i64::from(self.0 % 2)) / 10_000
            }
            None => UNSORTED[usize::from(self.0 - 72) % 3].1,
        };
        let catalogues = i64::from(day / DAYS_PER_CATALOGUE);
        (base * (100 + 4 * catalogues) / 100 + 4) / 5 * 5
    }

    /// What a unit costs the shop: unknown for services.
    pub(super) fn cost_cents(self, day: u32) -> Option<i64> {
        self.category().map(|category| self.price_cents(day) * (45 + category as i64 % 5 * 4) / 100)
    }
}

const DAYS_PER_CATALOGUE: u32 = 182;

/// Whether a new catalogue is delivered on a day.
pub(super) fn is_catalogue_day(day: u32) -> bool {
    day.is_multiple_of(DAYS_PER_CATALOGUE)
}

pub(super) fn product_rows(calendar: &Calendar, day: u32) -> Vec<Record> {
    let row = |number: u8| {
        let product = Product(number);
        let category = product.category().map(|category| Value::Word(CATEGORIES[category]));
        Record {
            values: vec![
                product.sku(),
                Value::text(product.title()),
                Value::optional(category),
                Value::Cents(product.price_cents(day)),
            ],
            at: calendar.instant(day, 0),
            facts: NO_FACTS,
            handling: Handling::Fixed,
        }
    };
    (0..PRODUCTS).map(row).collect()
}

const CONTENT_TYPES: [&str; 4] = ["article", "film", "guide", "test"];
const BUYING_STAGES: [&str; 4] = ["awareness", "research", "comparison", "purchase"];
pub(super) const CONTENT: u32 = 16;

pub(super) fn content_rows(calendar: &Calendar) -> Vec<Record> {
    let row = |number: u32| {
        let (kind, stage) = (CONTENT_TYPES[number as usize % 4], BUYING_STAGES[number as usize / 4 % 4]);
        Record {
            values: vec![
                content_id(number),
                Value::text(format!("{} for {stage}", capital(kind))),
                Value::Word(kind),
                Value::Word(stage),
            ],
            at: calendar.instant(0, 0),
            facts: NO_FACTS,
            handling: Handling::Fixed,
        }
    };
    (0..CONTENT).map(row).collect()
}

pub(super) fn content_id(number: u32) -> Value {
    Value::Id('t', number % CONTENT + 1)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
