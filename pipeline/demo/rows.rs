//! Builders of rows: what happened, as the company's systems write it down.

use super::calendar::Calendar;
use super::catalogue::Product;
use super::ledger::{Fact, NO_FACTS};
use super::record::{Handling, Record, Value};

/// A line of an order, in hundredths and whole units.
#[derive(Debug, Clone)]
pub(super) struct OrderLine {
    pub order: u32,
    pub line: u32,
    /// `None`: sold over the counter to someone who did not say who they are.
    pub customer: Option<u32>,
    pub email: Option<String>,
    pub product: Product,
    pub quantity: i64,
    pub cents: i64,
    pub margin_cents: Option<i64>,
    pub campaign: Option<u32>,
    pub gift_wrap: bool,
    /// Seconds since 1970, UTC.
    pub at: i64,
    pub channel: &'static str,
    /// Not a purchase though its quantity is positive: it was handed back the same day.
    pub is_void: bool,
}

pub(super) fn customer_id(customer: u32) -> Value {
    Value::Id('c', customer + 1)
}

pub(super) fn campaign_code(campaign: Option<u32>) -> Value {
    Value::optional(campaign.map(|number| Value::Id('k', number + 1)))
}

pub(super) fn order_row(calendar: &Calendar, line: OrderLine) -> Record {
    let fact = match line.customer {
        Some(customer) if line.quantity > 0 && !line.is_void => {
            Fact::Purchase { customer, item: line.product.item(), cents: line.cents, at: line.at }
        }
        Some(customer) => Fact::Money { customer, cents: line.cents, at: line.at },
        None => Fact::None,
    };
    Record {
        values: vec![
            Value::Id('o', line.order),
            Value::Integer(i64::from(line.line)),
            Value::optional(line.customer.map(customer_id)),
            Value::optional(line.email.map(Value::text)),
            line.product.sku(),
            Value::Integer(line.quantity),
            Value::Cents(line.cents),
            Value::optional(line.margin_cents.map(Value::Cents)),
            campaign_code(line.campaign),
            Value::Flag(line.gift_wrap),
            Value::Local(calendar.local(line.at)),
            Value::Word(line.channel),
        ],
        at: line.at,
        facts: [fact, Fact::None],
        handling: Handling::Plain,
    }
}

/// Who came to the site.
#[derive(Debug, Clone, Copy)]
pub(super) enum Visitor {
    Customer(u32),
    /// A visitor's number; that of a customer who has not signed in yet is the customer's.
    Anonymous(u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub event: u32,
    pub who: Visitor,
    pub at: i64,
    pub kind: &'static str,
    pub channel: &'static str,
    pub product: Option<Product>,
    pub content: Option<u32>,
    pub campaign: Option<u32>,
    pub seconds: Option<u32>,
    pub device: &'static str,
}

pub(super) fn visit_row(visit: Visit) -> Record {
    let (visitor, customer, fact) = match visit.who {
        Visitor::Customer(customer) => {
            (Value::Id('a', customer), customer_id(customer), Fact::Interest { customer, at: visit.at })
        }
        Visitor::Anonymous(visitor) => {
            (Value::Id('a', visitor), Value::Null, Fact::VisitorSeen { visitor, at: visit.at })
        }
    };
    let advocacy = match (visit.who, visit.kind) {
        (Visitor::Customer(customer), "review" | "share") => Fact::Advocacy { customer, at: visit.at },
        _ => Fact::None,
    };
    Record {
        values: vec![
            Value::Id('v', visit.event),
            visitor,
            customer,
            Value::Instant(visit.at),
            Value::Word(visit.kind),
            Value::Word(visit.channel),
            Value::optional(visit.product.map(Product::sku)),
            Value::optional(visit.content.map(super::catalogue::content_id)),
            campaign_code(visit.campaign),
            Value::optional(visit.seconds.map(|seconds| Value::Integer(i64::from(seconds)))),
            Value::Word(visit.device),
        ],
        at: visit.at,
        facts: [fact, advocacy],
        handling: Handling::Plain,
    }
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub case: u32,
    pub customer: u32,
    pub subject: &'static str,
    pub product: Option<Product>,
    pub note: Option<&'static str>,
    pub at: i64,
    pub channel: &'static str,
}

pub(super) fn service_row(calendar: &Calendar, case: Case) -> Record {
    Record {
        values: vec![
            Value::Id('s', case.case),
            customer_id(case.customer),
            Value::Word(case.subject),
            Value::optional(case.product.map(Product::sku)),
            Value::optional(case.note.map(Value::Word)),
            Value::Local(calendar.local(case.at)),
            Value::Word(case.channel),
        ],
        at: case.at,
        facts: [Fact::Interest { customer: case.customer, at: case.at }, Fact::None],
        handling: Handling::Plain,
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub message: u32,
    pub customer: u32,
    pub at: i64,
    pub kind: &'static str,
    pub channel: &'static str,
    pub campaign: Option<u32>,
    pub content: Option<u32>,
    pub response: &'static str,
    pub answer_value: Option<f64>,
}

pub(super) fn message_row(message: Message) -> Record {
    let fact = match message.response {
        "positive" => Fact::Interest { customer: message.customer, at: message.at },
        _ => Fact::Known { customer: message.customer },
    };
    Record {
        values: vec![
            Value::Id('m', message.message),
            customer_id(message.customer),
            Value::Instant(message.at),
            Value::Word(message.kind),
            Value::Word(message.channel),
            campaign_code(message.campaign),
            Value::optional(message.content.map(super::catalogue::content_id)),
            Value::Word(message.response),
            Value::optional(message.answer_value.map(Value::Double)),
        ],
        at: message.at,
        facts: [fact, Fact::None],
        handling: Handling::Plain,
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Referral {
    pub number: u32,
    pub from: u32,
    pub to: u32,
    pub source: &'static str,
    pub reward_cents: i64,
    pub at: i64,
}

pub(super) fn referral_row(calendar: &Calendar, referral: Referral) -> Record {
    Record {
        values: vec![
            Value::Id('r', referral.number),
            customer_id(referral.from),
            customer_id(referral.to),
            Value::Word(referral.source),
            Value::Cents(referral.reward_cents),
            Value::Local(calendar.local(referral.at)),
        ],
        at: referral.at,
        facts: [Fact::Referral { from: referral.from, to: referral.to, at: referral.at }, Fact::None],
        handling: Handling::Plain,
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    pub response: u32,
    pub customer: u32,
    pub at: i64,
    pub kind: &'static str,
    pub score: Option<u32>,
    pub reason: Option<&'static str>,
    pub touchpoint: Option<&'static str>,
}

pub(super) fn survey_row(survey: Survey) -> Record {
    let promotes = survey.kind == "nps" && survey.score.is_some_and(|score| score >= 9);
    let advocacy = if promotes { Fact::Advocacy { customer: survey.customer, at: survey.at } } else { Fact::None };
    Record {
        values: vec![
            Value::Id('q', survey.response),
            customer_id(survey.customer),
            Value::Instant(survey.at),
            Value::Word(survey.kind),
            Value::optional(survey.score.map(|score| Value::Integer(i64::from(score)))),
            Value::optional(survey.reason.map(Value::Word)),
            Value::optional(survey.touchpoint.map(Value::Word)),
        ],
        at: survey.at,
        facts: [Fact::Known { customer: survey.customer }, advocacy],
        handling: Handling::Plain,
    }
}

/// A visitor who turned out to be a customer.
pub(super) fn link_row(visitor: u32, customer: u32, at: i64) -> Record {
    Record {
        values: vec![Value::Id('a', visitor), customer_id(customer), Value::Instant(at)],
        at,
        facts: [Fact::Link { visitor, customer }, Fact::None],
        handling: Handling::Plain,
    }
}

/// Two numbers of one customer.
pub(super) fn same_customer_row(alias: u32, customer: u32, at: i64) -> Record {
    Record {
        values: vec![customer_id(alias), customer_id(customer), Value::Instant(at)],
        at,
        facts: [Fact::SameCustomer { alias, customer }, Fact::None],
        handling: Handling::Plain,
    }
}

pub(super) fn member_row(campaign: u32, customer: u32, arm: Option<&'static str>, at: i64, fact: Fact) -> Record {
    Record {
        values: vec![
            campaign_code(Some(campaign)),
            customer_id(customer),
            Value::optional(arm.map(Value::Word)),
            Value::Instant(at),
        ],
        at,
        facts: [fact, Fact::None],
        handling: Handling::Plain,
    }
}

/// No facts: a second copy of a row tells nothing new.
pub(super) fn copy_of(record: &Record) -> Record {
    Record { facts: NO_FACTS, handling: Handling::Copy, ..record.clone() }
}
