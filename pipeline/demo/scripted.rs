//! Customers whose lives are written, so that what the marts must say about them is known for certain.
//!
//! Their ids look like any other; chance, dirt and campaigns leave them alone.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::Product;
use super::facts::ScriptedCustomer;
use super::feeds::Feed;
use super::lives::lives;
use super::people::{self, LIST, REFERRAL, WEB};
use super::population::{Arrivals, Customer, Is};
use super::record::{Handling, Record};
use super::rows::{self, Case, Message, OrderLine, Referral, Survey, Visit, Visitor};
use super::world::{World, next};

const FEWEST_CUSTOMERS: usize = 500;
const FEWEST_DAYS: u32 = 540;

/// Something a scripted customer does, or that is done to them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Register,
    /// One line per category, the money in equal parts.
    Buy {
        categories: &'static [u8],
        cents: i64,
    },
    /// A sample for nothing.
    TakeSample,
    /// Money back, for a thing of this category.
    Return {
        category: u8,
        cents: i64,
    },
    /// Bought and handed back within the hour: no purchase.
    BuyAndReturn {
        category: u8,
        cents: i64,
    },
    Visit {
        kind: &'static str,
    },
    /// Before the name was known; the link comes with [`What::Link`].
    AnonymousVisit,
    Link,
    /// This number turns out to be that of another life.
    SameAs {
        life: usize,
    },
    Case {
        subject: &'static str,
    },
    Message {
        kind: &'static str,
        response: &'static str,
    },
    Nps {
        score: u32,
    },
    Exit {
        reason: &'static str,
    },
    Refer {
        life: usize,
    },
}

/// A life: what happens at which age, in days before the last day, and what is known of it then.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// Registered at about this age; `None`: on one of the first days.
    pub registers: Option<u32>,
    pub is_from_list: bool,
    pub is_referred: bool,
    pub acts: Vec<(u32, What)>,
    pub expected: ScriptedCustomer,
}

/// What a scripted customer does on a day.
#[derive(Debug, Clone)]
pub(super) struct Act {
    customer: u32,
    /// The second of the day, in UTC and in London alike far from midnight.
    second: u32,
    what: What,
    /// The customer that the act refers to.
    other: u32,
}

/// Every life, by day.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub acts: BTreeMap<u32, Vec<Act>>,
    pub customers: Vec<ScriptedCustomer>,
}

impl Script {
    /// Gives every life a customer of its own; an empty script where the business is too small or too young.
    pub(super) fn write(arrivals: Arrivals, people: &mut [Customer], days: u32) -> Self {
        let mut script = Self::default();
        if people.len() < FEWEST_CUSTOMERS || days < FEWEST_DAYS {
            return script;
        }
        let lives = lives();
        let last_day = days - 1;
        let mut taken = BTreeSet::new();
        let mut numbers: Vec<u32> = Vec::with_capacity(lives.len());
        for life in &lives {
            let earliest = life.registers.map_or(0, |age| last_day.saturating_sub(age));
            numbers.push(take_number(arrivals, earliest, &mut taken));
        }
        for (life, customer) in lives.iter().zip(&numbers) {
            let Some(person) = people.get_mut(*customer as usize) else { continue };
            cast(person, life);
            script.add(person.arrival, *customer, 0, What::Register, 0);
            for (order, (age, what)) in (1..).zip(&life.acts) {
                let other = match what {
                    What::SameAs { life } | What::Refer { life } => numbers.get(*life).copied().unwrap_or_default(),
                    _ => 0,
                };
                script.add(last_day - age, *customer, order, what.clone(), other);
            }
            script
                .customers
                .push(ScriptedCustomer { customer: people::customer_no(*customer), ..life.expected.clone() });
        }
        script
    }

    fn add(&mut self, day: u32, customer: u32, order: u32, what: What, other: u32) {
        let second = 36_000 + 300 * order;
        self.acts.entry(day).or_default().push(Act { customer, second, what, other });
    }
}

/// A number of someone who registers on this day or soon after; scattered among those of the first day.
fn take_number(arrivals: Arrivals, earliest: u32, taken: &mut BTreeSet<u32>) -> u32 {
    let first = arrivals.first_from(earliest);
    let founders = arrivals.first_from(1).max(1);
    let start = if earliest == 0 { (taken.len() as u32 * 7_919 + 13) % founders } else { first };
    let mut number = start;
    while !taken.insert(number) {
        number += 1;
    }
    number
}

fn cast(person: &mut Customer, life: &Life) {
    person.set(Is::Scripted, true);
    person.set(Is::Contactable, true);
    person.set(Is::Duplicate, false);
    person.set(Is::AnonymousFirst, false);
    person.source = match (life.is_from_list, life.is_referred) {
        (true, _) => LIST,
        (_, true) => REFERRAL,
        _ if person.source == LIST || person.source == REFERRAL => WEB,
        _ => person.source,
    };
}

impl World {
    /// Lets a scripted customer act: whole, on time and once.
    pub(super) fn act(&mut self, day: u32, act: Act) {
        let Act { customer, second, what, other } = act;
        let at = self.calendar.instant_of_local(day, second);
        match what {
            What::Register => {
                self.people[customer as usize].set(Is::Registered, true);
                self.send_profile(day, customer, second);
            }
            What::Buy { categories, cents } => {
                let each = cents / categories.len().max(1) as i64;
                let rest = cents - each * categories.len() as i64;
                let lines = categories.iter().enumerate().map(|(line, category)| {
                    (Product::of(*category, 1, false), 1, if line == 0 { each + rest } else { each })
                });
                let lines: Vec<_> = lines.collect();
                self.send_order(day, customer, &lines, at, false);
            }
            What::TakeSample => self.send_order(day, customer, &[(Product::unsorted(1), 1, 0)], at, false),
            What::Return { category, cents } => {
                self.send_order(day, customer, &[(Product::of(category, 1, false), -1, -cents)], at, false);
            }
            What::BuyAndReturn { category, cents } => {
                let product = Product::of(category, 1, false);
                self.send_order(day, customer, &[(product, 1, cents)], at, true);
                self.send_order(day, customer, &[(product, -1, -cents)], at + 1_800, true);
            }
            What::Visit { kind } => self.send_visit(day, Visitor::Customer(customer), kind, at),
            What::AnonymousVisit => self.send_visit(day, Visitor::Anonymous(customer), "visit", at),
            What::Link => self.send_whole(Feed::Identities, day, rows::link_row(customer, customer, at)),
            What::SameAs { .. } => {
                self.send_whole(Feed::Identities, day, rows::same_customer_row(customer, other, at));
            }
            What::Case { subject } => {
                let number = next(&mut self.numbers.case);
                let case = Case { case: number, customer, subject, product: None, note: None, at, channel: "phone" };
                let row = rows::service_row(&self.calendar, case);
                self.send_whole(Feed::Service, day, row);
            }
            What::Message { kind, response } => {
                let message = Message {
                    message: next(&mut self.numbers.message),
                    customer,
                    at,
                    kind,
                    channel: "email",
                    campaign: None,
                    content: None,
                    response,
                    answer_value: None,
                };
                self.send_whole(Feed::Messages, day, rows::message_row(message));
            }
            What::Nps { score } => self.send_survey(day, customer, "nps", Some(score), None, at),
            What::Exit { reason } => self.send_survey(day, customer, "exit", None, Some(reason), at),
            What::Refer { .. } => {
                let referral = Referral {
                    number: next(&mut self.numbers.referral),
                    from: customer,
                    to: other,
                    source: "card",
                    reward_cents: 1_000,
                    at,
                };
                let row = rows::referral_row(&self.calendar, referral);
                self.send_whole(Feed::Referrals, day, row);
            }
        }
    }

    fn send_whole(&mut self, feed: Feed, day: u32, record: Record) {
        self.send(feed, day, Record { handling: Handling::Fixed, ..record });
    }

    fn send_order(&mut self, day: u32, customer: u32, lines: &[(Product, i64, i64)], at: i64, is_void: bool) {
        let order = next(&mut self.numbers.order);
        for (line, (product, quantity, cents)) in (1..).zip(lines) {
            let line = OrderLine {
                order,
                line,
                customer: Some(customer),
                email: None,
                product: *product,
                quantity: *quantity,
                cents: *cents,
                margin_cents: Some(cents * 2 / 5),
                campaign: None,
                gift_wrap: false,
                at,
                channel: "store",
                is_void,
            };
            let row = rows::order_row(&self.calendar, line);
            self.send_whole(Feed::Orders, day, row);
        }
    }

    fn send_visit(&mut self, day: u32, who: Visitor, kind: &'static str, at: i64) {
        let visit = Visit {
            event: next(&mut self.numbers.event),
            who,
            at,
            kind,
            channel: "web",
            product: None,
            content: None,
            campaign: None,
            seconds: Some(60),
            device: "desktop",
        };
        self.send_whole(Feed::Visits, day, rows::visit_row(visit));
    }

    fn send_survey(
        &mut self,
        day: u32,
        customer: u32,
        kind: &'static str,
        score: Option<u32>,
        reason: Option<&'static str>,
        at: i64,
    ) {
        let survey = Survey {
            response: next(&mut self.numbers.response),
            customer,
            at,
            kind,
            score,
            reason,
            touchpoint: score.map(|_| "store"),
        };
        self.send_whole(Feed::Surveys, day, rows::survey_row(survey));
    }
}
