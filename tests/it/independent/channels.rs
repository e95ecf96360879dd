//! channel_responses and channel_preference.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Timelike};
use chrono_tz::Europe::London;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Facts, Interaction};
use super::load::Run;
use super::moments::in_window;

const NONE: &str = "(none)";
/// As many contacts weighs the channel's mean.
const STRENGTH: i64 = 10;
const RECENT_DAYS: i64 = 30;

#[derive(Clone, Copy, Default)]
struct Counts {
    contacts: i64,
    responses: i64,
    inbound: i64,
    recent: i64,
    last: Option<NaiveDate>,
}

impl Counts {
    fn add(&mut self, fact: &Interaction, as_of: NaiveDate) {
        if fact.is_outbound {
            self.contacts += 1;
            self.responses += i64::from(fact.is_positive);
            self.recent += i64::from(in_window(fact.day, as_of, RECENT_DAYS));
            self.last = self.last.max(Some(fact.day));
        }
        self.inbound += i64::from(fact.is_inbound);
    }

    /// The shrunk rate as a quotient.
    fn rate(&self, channel: &Counts) -> (i64, i64) {
        (
            self.responses * channel.contacts + STRENGTH * channel.responses,
            (self.contacts + STRENGTH) * channel.contacts,
        )
    }
}

/// What happened by customer and channel, and by channel.
fn counts(facts: &Facts) -> (BTreeMap<(&str, &str), Counts>, BTreeMap<&str, Counts>) {
    let (mut customers, mut channels) = (BTreeMap::new(), BTreeMap::new());
    for fact in facts.interactions.iter().filter(|fact| fact.is_inbound || fact.is_outbound) {
        let channel = fact.channel.as_str();
        let of_customer: &mut Counts = customers.entry((fact.customer.as_str(), channel)).or_default();
        of_customer.add(fact, facts.as_of());
        let of_channel: &mut Counts = channels.entry(channel).or_default();
        of_channel.add(fact, facts.as_of());
    }
    (customers, channels)
}

pub fn responses(run: &Run) -> Expected {
    let (customers, channels) = counts(&run.facts);
    let rows = customers.into_iter().map(|((id, channel), counts)| {
        let (numerator, denominator) = counts.rate(&channels[channel]);
        Row::from([
            ("customer_id", id.into()),
            ("channel", channel.into()),
            ("contacts", counts.contacts.into()),
            ("responses", counts.responses.into()),
            ("response_rate", ratio(numerator, denominator)),
            ("inbound", counts.inbound.into()),
            ("contacts_30d", counts.recent.into()),
            ("last_contacted_on", counts.last.into()),
        ])
    });
    Expected { grain: &["customer_id", "channel"], rows: rows.collect() }
}

/// The channels of a customer, the best first.
fn ranked<'a>(own: &[(&'a str, Counts)], channels: &BTreeMap<&str, Counts>) -> Vec<&'a str> {
    let mut ranked: Vec<&(&str, Counts)> = own.iter().filter(|(channel, _)| *channel != NONE).collect();
    ranked.sort_by(|(left_name, left), (right_name, right)| {
        let by_contact = (right.contacts > 0).cmp(&(left.contacts > 0));
        let by_rate = if left.contacts > 0 && right.contacts > 0 {
            let (a, b) = left.rate(&channels[left_name]);
            let (c, d) = right.rate(&channels[right_name]);
            (i128::from(c) * i128::from(b)).cmp(&(i128::from(a) * i128::from(d)))
        } else {
            std::cmp::Ordering::Equal
        };
        by_contact.then(by_rate).then(right.inbound.cmp(&left.inbound)).then(left_name.cmp(right_name))
    });
    ranked.into_iter().map(|(channel, _)| *channel).collect()
}

/// The most frequent value, of equal ones the smallest.
fn most_frequent(values: impl Iterator<Item = u32>) -> Option<i64> {
    let mut counts: BTreeMap<u32, i64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().min_by_key(|(value, count)| (Reverse(*count), *value)).map(|(value, _)| i64::from(value))
}

pub fn preference(run: &Run) -> Expected {
    let facts = &run.facts;
    let (customers, channels) = counts(facts);
    let mut own: BTreeMap<&str, Vec<(&str, Counts)>> = BTreeMap::new();
    for ((id, channel), counts) in customers {
        own.entry(id).or_default().push((channel, counts));
    }
    let mut signs: BTreeMap<&str, Vec<&Interaction>> = BTreeMap::new();
    for fact in facts.interactions.iter().filter(|fact| fact.is_inbound || fact.is_positive) {
        signs.entry(&fact.customer).or_default().push(fact);
    }
    let rows = facts.known.keys().map(|id| {
        let own = own.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let ranked = ranked(own, &channels);
        let local = || signs.get(id.as_str()).into_iter().flatten().map(|fact| fact.at.with_timezone(&London));
        let sum = |count: fn(&Counts) -> i64| own.iter().map(|(_, counts)| count(counts)).sum::<i64>();
        Row::from([
            ("customer_id", id.as_str().into()),
            ("preferred_channel", ranked.first().map_or(Cell::Null, |channel| (*channel).into())),
            ("second_channel", ranked.get(1).map_or(Cell::Null, |channel| (*channel).into())),
            ("best_weekday", most_frequent(local().map(|at| at.weekday().number_from_monday())).into()),
            ("best_hour", most_frequent(local().map(|at| at.hour())).into()),
            ("contacts", sum(|counts| counts.contacts).into()),
            ("responses", sum(|counts| counts.responses).into()),
            ("contacts_30d", sum(|counts| counts.recent).into()),
            ("last_contacted_on", own.iter().filter_map(|(_, counts)| counts.last).max().into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}
