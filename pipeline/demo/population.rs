//! The customers' traits: who buys, how often, for how much, and when that changes.
//!
//! Purchases follow the story behind BG/NBD and Gamma-Gamma: a rate, a chance to drop out after each purchase and a mean
//! spend, each drawn once per customer.

use super::calendar::DAYS_AFTER;
use super::people::{BARGAIN_HUNTER, LIST, REFERRAL, SOCIAL, STORE, WEB};
use super::random::{Dice, Stream};

/// Chance to ever buy, by source.
const BUYS: [f64; 7] = [0.20, 0.62, 0.50, 0.60, 0.85, 0.42, 0.55];
const SOURCE_WEIGHTS: [f64; 7] = [0.33, 0.28, 0.07, 0.06, 0.12, 0.09, 0.05];
const PERSONA_WEIGHTS: [f64; 5] = [0.25, 0.20, 0.20, 0.20, 0.15];

/// The share of customers who are there on the first day.
const FOUNDERS: f64 = 0.15;
pub(super) const MEAN_DAYS_BETWEEN: f64 = 45.0;

/// One customer, in some forty bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Customer {
    pub arrival: u32,
    /// The last day with a purchase, plus one; 0 is never.
    pub last_purchase: u32,
    /// The day on which the taste narrows or the purse shrinks; `u32::MAX` is never.
    pub turning_day: u32,
    /// Purchases a day.
    pub rate: f32,
    /// The chance to drop out after a purchase.
    pub dropout: f32,
    /// The mean of an order, in hundredths.
    pub mean_cents: f32,
    pub purchases: u16,
    /// Categories of interest, a bit each.
    pub tastes: u16,
    flags: u16,
    pub source: u8,
    pub persona: u8,
    pub version: u8,
}

/// Yes-or-no traits and states.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub(super) enum Is {
    Buyer = 1,
    /// Still a customer: not dropped out.
    Alive = 1 << 1,
    Contactable = 1 << 2,
    /// Never hears from the company.
    Neglected = 1 << 3,
    Scripted = 1 << 4,
    Registered = 1 << 5,
    Deleted = 1 << 6,
    /// Visited before anyone knew the name.
    AnonymousFirst = 1 << 7,
    /// Comes back for a second purchase in the second month, and then stays.
    Habit = 1 << 8,
    Narrowing = 1 << 9,
    Saving = 1 << 10,
    AppUser = 1 << 11,
    Referred = 1 << 12,
    /// A second number of the customer registered just before.
    Duplicate = 1 << 13,
}

impl Customer {
    pub(super) fn is(&self, trait_: Is) -> bool {
        self.flags & trait_ as u16 != 0
    }

    pub(super) fn set(&mut self, trait_: Is, value: bool) {
        if value {
            self.flags |= trait_ as u16;
        } else {
            self.flags &= !(trait_ as u16);
        }
    }

    /// Someone about whom nothing is known: a sale over the counter.
    pub(super) fn stranger() -> Self {
        Self { mean_cents: 2_000.0, tastes: 0xFFF, turning_day: u32::MAX, ..Self::default() }
    }

    /// Days since the last purchase; `None` before the first.
    pub(super) fn days_since_purchase(&self, day: u32) -> Option<u32> {
        (self.last_purchase > 0).then(|| (day + 1).saturating_sub(self.last_purchase))
    }
}

/// How many customers register when; the window's end does not change who came before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrivals {
    customers: u32,
    days: u32,
    pub total: u32,
}

impl Arrivals {
    pub(super) fn new(customers: u32, days: u32) -> Self {
        let after = (f64::from(customers) * (1.0 - FOUNDERS) / f64::from(days) * f64::from(DAYS_AFTER)).ceil();
        Self { customers, days, total: customers + (after as u32).min(customers) }
    }

    pub(super) fn day(&self, customer: u32) -> u32 {
        let place = f64::from(customer) / f64::from(self.customers.max(1));
        let day = ((place - FOUNDERS) / (1.0 - FOUNDERS) * f64::from(self.days)).floor().max(0.0) as u32;
        // A rounding error must not move the last customer past the window.
        if customer < self.customers { day.min(self.days - 1) } else { day }
    }

    /// The first customer who registers on this day or later.
    pub(super) fn first_from(&self, day: u32) -> u32 {
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.day(middle) < day {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Draws the traits of every customer.
pub(super) fn draw(seed: u64, arrivals: Arrivals, days: u32) -> Vec<Customer> {
    let mut people: Vec<Customer> = Vec::with_capacity(arrivals.total as usize);
    for number in 0..arrivals.total {
        let customer = draw_one(seed, number, arrivals.day(number), days);
        people.push(customer);
    }
    people
}

fn draw_one(seed: u64, number: u32, arrival: u32, days: u32) -> Customer {
    let mut dice = Dice::new(seed, Stream::Traits, u64::from(number), 0);
    let source = dice.weighted(&SOURCE_WEIGHTS) as u8;
    let persona = dice.weighted(&PERSONA_WEIGHTS) as u8;
    let mut customer = Customer { arrival, source, persona, turning_day: u32::MAX, ..Customer::default() };
    let is_duplicate = number > 0 && dice.chance(0.004) && source != REFERRAL;
    customer.set(Is::Duplicate, is_duplicate);
    customer.set(Is::Buyer, dice.chance(BUYS[usize::from(source)]));
    customer.set(Is::Alive, true);
    let contactable = if source == LIST { 0.7 } else { 0.88 };
    customer.set(Is::Contactable, dice.chance(contactable));
    customer.set(Is::Neglected, dice.chance(0.12));
    customer.set(Is::AppUser, dice.chance(0.2));
    let is_online = (source == WEB || source == SOCIAL) && !is_duplicate;
    customer.set(Is::AnonymousFirst, is_online && dice.chance(0.7));
    customer.rate = (dice.gamma(0.9, 1.0 / (0.9 * MEAN_DAYS_BETWEEN)) as f32).max(1.0 / 700.0);
    let is_habit = dice.chance(0.28) && persona != BARGAIN_HUNTER;
    customer.set(Is::Habit, is_habit);
    if is_habit {
        customer.rate = customer.rate.max(1.0 / 50.0);
    }
    let dropout = if persona == BARGAIN_HUNTER { dice.beta(2.5, 3.5) } else { dice.beta(0.8, 5.0) };
    customer.dropout = (dropout * if is_habit { 0.15 } else { 1.0 }) as f32;
    // Gamma-Gamma: an order is gamma with a scale that is itself drawn, so means differ between customers.
    customer.mean_cents = (6.0 * 1_500.0 / dice.gamma(3.7, 1.0).max(0.3)) as f32;
    let breadth = dice.between(1, 6) + u32::from(dice.chance(0.3)) * 2;
    for _ in 0..breadth {
        customer.tastes |= 1 << dice.below(12);
    }
    let turns = dice.share();
    customer.set(Is::Narrowing, turns < 0.10);
    customer.set(Is::Saving, (0.10..0.22).contains(&turns));
    if turns < 0.22 {
        customer.turning_day = arrival + days / 8 + dice.below(days.saturating_sub(arrival).max(1));
    }
    if source == STORE {
        customer.set(Is::AnonymousFirst, false);
    }
    customer
}
