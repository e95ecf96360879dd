//! next_best_actions: who is to be told what, by the rules of each action.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::compare::{Cell, Expected, Row};
use super::facts::{Buyer, Facts, Interaction};
use super::load::Run;
use super::moments::{date, day_of, days_between, in_window, plus, text};

type Published = BTreeMap<String, Map<String, Json>>;

/// What an action waits for: its day, the reason, and whether it falls due again.
struct Trigger {
    day: NaiveDate,
    reason: String,
    is_standing: bool,
}

fn once(day: NaiveDate, reason: String) -> Trigger {
    Trigger { day, reason, is_standing: false }
}

fn standing(day: NaiveDate, reason: String) -> Trigger {
    Trigger { day, reason, is_standing: true }
}

/// All that is known of one customer.
struct Person<'a> {
    facts: &'a Facts,
    id: &'a str,
    buyer: Option<&'a Buyer>,
    contacts: &'a [&'a Interaction],
    value: Option<&'a Map<String, Json>>,
    lead: Option<&'a Map<String, Json>>,
    next: Option<&'a Map<String, Json>>,
}

impl Person<'_> {
    fn age(&self, day: NaiveDate) -> i64 {
        days_between(day, self.facts.as_of())
    }

    fn ago(&self, day: NaiveDate) -> String {
        match self.age(day) {
            0 => "today".to_owned(),
            1 => "yesterday".to_owned(),
            days => format!("{days} days ago"),
        }
    }

    fn is_vip(&self) -> bool {
        self.value.is_some_and(|value| value["value_tier"] == "vip")
    }

    fn last(&self, is_chosen: impl Fn(&Interaction) -> bool) -> Option<DateTime<Utc>> {
        self.contacts.iter().filter(|contact| is_chosen(contact)).map(|contact| contact.at).max()
    }

    /// The moment, unless we got in touch after it.
    fn unanswered(&self, at: Option<DateTime<Utc>>) -> Option<NaiveDate> {
        let at = at?;
        let later = self.contacts.iter().any(|contact| contact.is_outbound && contact.at > at);
        (!later).then(|| day_of(at))
    }

    fn trigger(&self, action: &str) -> Option<Trigger> {
        let parameters = &self.facts.parameters;
        match action {
            "second_purchase_window" => {
                let buyer = self.buyer.filter(|buyer| buyer.purchases.len() == 1)?;
                Some(once(buyer.first(), format!("bought once, {}", self.ago(buyer.first()))))
            }
            "say_welcome_back" => {
                let purchases = &self.buyer?.purchases;
                let gaps = purchases.windows(2).map(|pair| (pair[1].0, days_between(pair[0].0, pair[1].0)));
                let (day, gap) = gaps.filter(|(_, gap)| *gap >= parameters.dormant_days).max()?;
                Some(once(day, format!("came back {} after a gap of {gap} days", self.ago(day))))
            }
            "thank_you" => {
                let buyer = self.buyer?;
                let day = if self.is_vip() { buyer.last() } else { buyer.first() };
                let words = if day == buyer.first() { "first purchase" } else { "vip, bought" };
                Some(once(day, format!("{words} {}", self.ago(day))))
            }
            "win_back" => {
                let last = self.buyer?.last();
                (parameters.dormant_days..parameters.lost_days)
                    .contains(&self.age(last))
                    .then(|| standing(plus(last, parameters.dormant_days), format!("last bought {}", self.ago(last))))
            }
            "ask_for_referral" => self.referral(),
            "cross_sell" => {
                let (last, next) = (self.buyer?.last(), self.next?);
                let name = |column: &str| {
                    let product = text(next, column).unwrap();
                    self.facts.product_names.get(&product).cloned().unwrap_or(product)
                };
                let reason =
                    format!("last bought {}; {} goes with {}", self.ago(last), name("product_id"), name("because_of"));
                (self.age(last) < parameters.active_days).then(|| standing(last, reason))
            }
            "complaint_follow_up" => {
                let day = self.unanswered(self.last(|contact| contact.is_complaint))?;
                Some(once(day, format!("complained {}, not contacted since", self.ago(day))))
            }
            "contact_later_due" => {
                let day = self.unanswered(self.last(|contact| contact.response.as_deref() == Some("later")))?;
                Some(standing(day, format!("answered later {}, not contacted since", self.ago(day))))
            }
            "hot_lead" => {
                let lead = self.lead.filter(|lead| lead["grade"] == "A")?;
                let day = date(&lead["last_signal_on"])?;
                let signal = text(lead, "last_signal").unwrap().replace('_', " ");
                Some(once(day, format!("lead of grade A, {signal} {}", self.ago(day))))
            }
            "unappreciated_risk" => {
                let buyer = self.buyer.filter(|buyer| self.age(buyer.last()) < parameters.dormant_days)?;
                let contacted = self.last(|contact| contact.is_outbound).map(day_of);
                let known = self.facts.known[self.id].map(day_of);
                let silent = contacted.or(known).unwrap_or(buyer.first());
                let words = contacted.map_or("never contacted, first known", |_| "last contacted");
                let limit = plus(silent, self.facts.parameters.churn_window_days);
                (limit <= self.facts.as_of()).then(|| standing(limit, format!("{words} {}", self.ago(silent))))
            }
            other => panic!("{other} is no action"),
        }
    }

    fn referral(&self) -> Option<Trigger> {
        let buyer = self.buyer.filter(|buyer| self.age(buyer.first()) >= 30)?;
        let second = buyer.purchases.get(1)?.0;
        let praise = self
            .facts
            .surveys
            .iter()
            .filter(|survey| survey.customer == self.id && survey.kind == "nps")
            .filter(|survey| in_window(survey.day, self.facts.as_of(), 90))
            .filter_map(|survey| Some((survey.at, std::cmp::Reverse(&survey.id), survey.score?)))
            .filter(|(_, _, score)| *score >= 9.0)
            .max_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        if praise.is_none() && !self.is_vip() {
            return None;
        }
        let since = second.max(plus(buyer.first(), 30));
        let (day, last) = match praise {
            Some((at, _, score)) => (since.max(day_of(at)), format!("gave {score} of 10 {}", self.ago(day_of(at)))),
            None => (since, format!("last {}", self.ago(buyer.last()))),
        };
        let vip = if self.is_vip() { "vip, " } else { "" };
        Some(standing(day, format!("{vip}bought on {} days, {last}", buyer.purchases.len())))
    }
}

/// An action's line in the seed.
struct Rule {
    action: String,
    priority: i64,
    kind: String,
    after: i64,
    open: i64,
    cooldown: i64,
}

fn rules(facts: &Facts) -> Vec<Rule> {
    let parameters = &facts.parameters;
    let mut rules: Vec<Rule> = facts
        .actions
        .iter()
        .map(|(action, line)| {
            let (after, open) = match action.as_str() {
                "second_purchase_window" => {
                    (parameters.second_purchase_from, parameters.second_purchase_to - parameters.second_purchase_from)
                }
                _ => (line.due_after_days, line.expires_after_days.unwrap()),
            };
            Rule {
                action: action.clone(),
                priority: line.priority,
                kind: line.kind_when_done.clone(),
                after,
                open,
                cooldown: line.cooldown_days.unwrap(),
            }
        })
        .collect();
    rules.sort_by(|one, other| (one.priority, &one.action).cmp(&(other.priority, &other.action)));
    rules
}

fn published(run: &Run, sql: &str) -> Published {
    run.rows(sql).into_iter().map(|row| (text(&row, "customer_id").unwrap(), row)).collect()
}

fn contacts(facts: &Facts) -> BTreeMap<&str, Vec<&Interaction>> {
    let mut contacts: BTreeMap<&str, Vec<&Interaction>> = BTreeMap::new();
    for fact in &facts.interactions {
        contacts.entry(&fact.customer).or_default().push(fact);
    }
    contacts
}

pub fn next_best_actions(run: &Run) -> Expected {
    let facts = &run.facts;
    let as_of = facts.as_of();
    let (rules, contacts) = (rules(facts), contacts(facts));
    let values = published(run, "select customer_id, value_tier, clv from marts.customer_value");
    let leads = published(run, "select * from marts.lead_scores");
    let nexts = published(run, "select * from marts.next_product where rank = 1");
    let channels = published(run, "select * from marts.channel_preference");
    let rates: BTreeMap<String, Option<f64>> = run
        .rows("select grade, conversion_rate from marts.lead_score_bands")
        .iter()
        .map(|row| (text(row, "grade").unwrap(), row["conversion_rate"].as_f64()))
        .collect();
    let known_values: Vec<f64> = values.values().filter_map(|value| value["clv"].as_f64()).collect();
    let mean = known_values.iter().sum::<f64>() / known_values.len() as f64;
    let mut rows = Vec::new();
    for id in facts.known.keys().filter(|id| facts.is_contactable(id)) {
        let person = Person {
            facts,
            id,
            buyer: facts.buyers.get(id),
            contacts: contacts.get(id.as_str()).map_or(&[][..], Vec::as_slice),
            value: values.get(id),
            lead: leads.get(id),
            next: nexts.get(id),
        };
        let expected = match (person.value, person.lead) {
            (Some(value), _) => value["clv"].as_f64(),
            (None, Some(lead)) => rates[&text(lead, "grade").unwrap()].map(|rate| rate * mean),
            (None, None) => None,
        };
        let mut is_best = true;
        for rule in &rules {
            let Some(trigger) = person.trigger(&rule.action) else { continue };
            let mut due = plus(trigger.day, rule.after);
            while trigger.is_standing && plus(due, rule.cooldown) <= as_of {
                due = plus(due, rule.cooldown);
            }
            let is_open = due <= as_of && as_of < plus(due, rule.open);
            let is_done = person
                .contacts
                .iter()
                .filter(|contact| contact.is_outbound && contact.kind.as_ref() == Some(&rule.kind))
                .map(|contact| day_of(contact.at))
                .any(|day| day >= due || days_between(day, as_of) <= rule.cooldown);
            if !is_open || (is_done && rule.action != "contact_later_due") {
                continue;
            }
            rows.push(Row::from([
                ("customer_id", id.as_str().into()),
                ("action", rule.action.as_str().into()),
                ("priority", rule.priority.into()),
                ("is_best", is_best.into()),
                ("reason", trigger.reason.into()),
                ("channel", channels.get(id).and_then(|row| text(row, "preferred_channel")).into()),
                ("expected_value", expected.map_or(Cell::Null, Cell::Modelled)),
                ("triggered_on", trigger.day.into()),
                ("due_on", due.into()),
                ("expires_on", plus(due, rule.open).into()),
                ("kind_when_done", rule.kind.as_str().into()),
            ]));
            is_best = false;
        }
    }
    Expected { grain: &["customer_id", "action"], rows }
}
