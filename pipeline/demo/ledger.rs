//! What a reader of the delivered, readable rows would know about each customer by the window's end.
//!
//! The generator keeps it beside the files, with the published definitions and their default parameters, so that a test can
//! compare the marts with it. Rows that are broken, or not delivered yet, do not count.

use super::calendar::{Calendar, DAY_SECONDS};

/// What one readable row says. Customers and visitors are numbers; `at` is seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fact {
    None,
    Known {
        customer: u32,
    },
    Profile {
        customer: u32,
        is_deleted: bool,
    },
    /// An inbound interaction, or a positive response.
    Interest {
        customer: u32,
        at: i64,
    },
    VisitorSeen {
        visitor: u32,
        at: i64,
    },
    Advocacy {
        customer: u32,
        at: i64,
    },
    /// A line of a purchase day with a positive quantity. `item` is the category, or the product where it has none.
    Purchase {
        customer: u32,
        item: u8,
        cents: i64,
        at: i64,
    },
    /// A line that is no purchase: a return.
    Money {
        customer: u32,
        cents: i64,
        at: i64,
    },
    Member {
        customer: u32,
        watched: Option<u8>,
        is_treated: bool,
    },
    Referral {
        from: u32,
        to: u32,
        at: i64,
    },
    Link {
        visitor: u32,
        customer: u32,
    },
    SameCustomer {
        alias: u32,
        customer: u32,
    },
}

pub(super) const NO_FACTS: [Fact; 2] = [Fact::None; 2];

const CHURN_WINDOW_DAYS: i64 = 90;
const CONVERSION_DAYS: i64 = 90;
pub(super) const REFERRAL_DAYS: i64 = 180;

const KNOWN: u16 = 1;
const INTEREST: u16 = 1 << 1;
const PROFILE: u16 = 1 << 2;
const DELETED: u16 = 1 << 3;
const ABSORBED: u16 = 1 << 4;
/// Three bits for each watched campaign, from here on.
const WATCHED: u16 = 5;
const MEMBER: u16 = 1;
const TREATED: u16 = 2;
const BOUGHT: u16 = 4;

/// One customer; times are seconds since the window's first midnight, plus one, so that 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub first: u32,
    pub second: u32,
    pub advocacy: u32,
    pub items_before: u16,
    pub items_now: u16,
    pub cents_before: i32,
    pub cents_now: i32,
    flags: u16,
}

impl Entry {
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is_known(&self) -> bool {
        self.has(KNOWN) && !self.has(ABSORBED)
    }

    pub(super) fn is_prospect(&self) -> bool {
        self.has(INTEREST)
    }

    pub(super) fn has_profile(&self) -> bool {
        self.has(PROFILE) && !self.has(DELETED)
    }

    /// Arm and purchase of a watched campaign's member: (treated, bought).
    pub(super) fn watched(&self, campaign: usize) -> Option<(bool, bool)> {
        let bits = self.flags >> (WATCHED + 3 * campaign as u16);
        (bits & MEMBER != 0).then_some((bits & TREATED != 0, bits & BOUGHT != 0))
    }

    fn buy(&mut self, at: u32) {
        let day = |at: u32| (at - 1) / DAY_SECONDS as u32;
        if self.first == 0 {
            self.first = at;
        } else if day(at) == day(self.first) {
            self.first = self.first.min(at);
        } else if at < self.first {
            self.second = self.first;
            self.first = at;
        } else if self.second == 0 || day(at) < day(self.second) {
            self.second = at;
        } else if day(at) == day(self.second) {
            self.second = self.second.min(at);
        }
    }

    fn absorb(&mut self, other: &Self) {
        for at in [other.first, other.second] {
            if at > 0 {
                self.buy(at);
            }
        }
        self.advocacy = self.advocacy.max(other.advocacy);
        self.items_before |= other.items_before;
        self.items_now |= other.items_now;
        self.cents_before += other.cents_before;
        self.cents_now += other.cents_now;
        self.flags |= other.flags & (KNOWN | INTEREST);
    }
}

/// A referral that was delivered; `at` as in [`Entry`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub from: u32,
    pub to: u32,
    pub at: u32,
}

/// Some forty bytes a customer.
#[derive(Debug)]
pub(super) struct Ledger {
    calendar: Calendar,
    /// The window's last day; what happens after it does not count.
    pub last_day: i64,
    pub entries: Vec<Entry>,
    pub edges: Vec<Edge>,
    /// Visitor, customer.
    links: Vec<(u32, u32)>,
    /// Customer number that is only an alias, customer.
    aliases: Vec<(u32, u32)>,
    visitors_seen: Bits,
    visitors_linked: Bits,
    /// The days on which the watched campaigns were drawn.
    watched: [Option<u32>; 2],
    /// Visitors who are nobody we know.
    pub strangers: u64,
}

impl Ledger {
    pub(super) fn new(calendar: Calendar, customers: usize, last_day: u32, watched: [Option<u32>; 2]) -> Self {
        Self {
            calendar,
            last_day: i64::from(last_day),
            entries: vec![Entry::default(); customers],
            edges: Vec::new(),
            links: Vec::new(),
            aliases: Vec::new(),
            visitors_seen: Bits::default(),
            visitors_linked: Bits::default(),
            watched,
            strangers: 0,
        }
    }

    /// The business day of an instant, and the instant as the entries hold it: in London's clock, so that days divide evenly.
    fn place(&self, at: i64) -> Option<(i64, u32)> {
        let day = self.calendar.business_day(at);
        let since = self.calendar.local(at) - self.calendar.instant(0, 0) + 1;
        (day <= self.last_day).then(|| (day, u32::try_from(since).unwrap_or(1).max(1)))
    }

    fn mark(&mut self, customer: u32, flags: u16) {
        if let Some(entry) = self.entries.get_mut(customer as usize) {
            entry.flags |= flags;
        }
    }

    pub(super) fn apply(&mut self, fact: Fact) {
        match fact {
            Fact::None => {}
            Fact::Known { customer } => self.mark(customer, KNOWN),
            Fact::Profile { customer, is_deleted } => {
                self.mark(customer, KNOWN | PROFILE | if is_deleted { DELETED } else { 0 });
            }
            Fact::Interest { customer, at } => {
                if self.place(at).is_some() {
                    self.mark(customer, KNOWN | INTEREST);
                }
            }
            Fact::VisitorSeen { visitor, at } => {
                if self.place(at).is_some() {
                    self.visitors_seen.set(visitor);
                }
            }
            Fact::Advocacy { customer, at } => {
                if let Some((_, at)) = self.place(at)
                    && let Some(entry) = self.entries.get_mut(customer as usize)
                {
                    entry.flags |= KNOWN;
                    entry.advocacy = entry.advocacy.max(at);
                }
            }
            Fact::Purchase { customer, item, cents, at } => self.purchase(customer, Some(item), cents, at),
            Fact::Money { customer, cents, at } => self.purchase(customer, None, cents, at),
            Fact::Member { customer, watched, is_treated } => {
                let treated = if is_treated { TREATED } else { 0 };
                let bits = watched.map_or(0, |campaign| (MEMBER | treated) << (WATCHED + 3 * u16::from(campaign)));
                self.mark(customer, KNOWN | bits);
            }
            Fact::Referral { from, to, at } => {
                if let Some((_, at)) = self.place(at) {
                    self.mark(from, KNOWN);
                    self.mark(to, KNOWN);
                    self.edges.push(Edge { from, to, at });
                }
            }
            Fact::Link { visitor, customer } => {
                self.mark(customer, KNOWN);
                self.visitors_linked.set(visitor);
                self.links.push((visitor, customer));
            }
            Fact::SameCustomer { alias, customer } => {
                self.mark(customer, KNOWN);
                // Absorbed at the end, when everything about it is known.
                self.mark(alias, ABSORBED);
                self.aliases.push((alias, customer));
            }
        }
    }

    fn purchase(&mut self, customer: u32, item: Option<u8>, cents: i64, at: i64) {
        let Some((day, at)) = self.place(at) else { return };
        let age = self.last_day - day;
        let watched = self.watched;
        let Some(entry) = self.entries.get_mut(customer as usize) else { return };
        entry.flags |= KNOWN;
        if let Some(item) = item {
            entry.flags |= INTEREST;
            entry.buy(at);
            let mask = 1u16 << (item % 16);
            if age < CHURN_WINDOW_DAYS {
                entry.items_now |= mask;
            } else if age < 2 * CHURN_WINDOW_DAYS {
                entry.items_before |= mask;
            }
            for (campaign, drawn) in watched.iter().enumerate() {
                let days_since = drawn.map(|drawn| day - i64::from(drawn));
                if entry.watched(campaign).is_some()
                    && days_since.is_some_and(|days| (0..=CONVERSION_DAYS).contains(&days))
                {
                    entry.flags |= BOUGHT << (WATCHED + 3 * campaign as u16);
                }
            }
        }
        let cents = i32::try_from(cents).unwrap_or(0);
        if age < CHURN_WINDOW_DAYS {
            entry.cents_now = entry.cents_now.saturating_add(cents);
        } else if age < 2 * CHURN_WINDOW_DAYS {
            entry.cents_before = entry.cents_before.saturating_add(cents);
        }
    }

    /// Ties aliases to their customers and counts the visitors who stay strangers. Once, at the end.
    pub(super) fn close(&mut self) {
        for (visitor, customer) in std::mem::take(&mut self.links) {
            if self.visitors_seen.get(visitor) {
                self.mark(customer, INTEREST);
            }
        }
        for (alias, customer) in std::mem::take(&mut self.aliases) {
            let other = self.entries.get(alias as usize).copied().unwrap_or_default();
            if let Some(entry) = self.entries.get_mut(customer as usize) {
                entry.absorb(&other);
            }
        }
        self.strangers = self.visitors_seen.count_without(&self.visitors_linked);
    }
}

/// A growing set of small numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, number: u32) {
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    fn get(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn count_without(&self, other: &Self) -> u64 {
        let words = self.0.iter().enumerate();
        words.map(|(index, word)| u64::from((word & !other.0.get(index).unwrap_or(&0)).count_ones())).sum()
    }
}
