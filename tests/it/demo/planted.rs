//! The planted facts against the files: what a patient reader of the raw rows finds, and what the scripted lives promise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::London;
use lifecycle::demo::{PlantedFacts, ScriptedCustomer};

use super::contract::{Contract, contracts, timestamp};
use super::default_business;
use super::files::feed_rows;

type Good = BTreeMap<String, Option<String>>;

/// The readable rows of the default business, newest version of each key, with ids resolved and days in London's time.
struct Reading {
    last_day: NaiveDate,
    /// Every customer, and whether there is interest on their part.
    known: BTreeMap<String, bool>,
    /// By customer and day: the instant of the first positive line, and the products or categories of positive lines.
    purchases: BTreeMap<String, BTreeMap<NaiveDate, DateTime<Utc>>>,
    lines: Vec<(String, NaiveDate, String, i64, bool)>,
    advocacy: BTreeMap<String, DateTime<Utc>>,
    referrals: Vec<(String, String, DateTime<Utc>)>,
}

fn reading() -> &'static Reading {
    static READING: OnceLock<Reading> = OnceLock::new();
    READING.get_or_init(read)
}

fn good_rows(contracts: &BTreeMap<String, Contract>, feed: &str) -> Vec<Good> {
    let (directory, _) = default_business();
    let rows = feed_rows(directory.path(), feed).into_iter().map(|(_, row)| row);
    let good = rows.filter(|row| contracts[feed].fault(row).is_none()).map(Result::unwrap);
    let key = contracts[feed].key();
    let mut newest: BTreeMap<Vec<Option<String>>, Good> = BTreeMap::new();
    for row in good {
        newest.insert(key.iter().map(|name| row[name].clone()).collect(), row);
    }
    newest.into_values().collect()
}

fn day_of(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&London).date_naive()
}

fn read() -> Reading {
    let contracts = contracts();
    let last_day = default_business().1.last_day;
    let rows = |feed: &str| good_rows(&contracts, feed);
    let instant = |row: &Good, feed: &str, name: &str| {
        timestamp(row[name].as_ref().unwrap(), contracts[feed].column(name)).unwrap()
    };

    // Links are few and shallow: an alias, or two, of a number that is no alias itself.
    let identities: BTreeMap<String, String> = rows("identities")
        .into_iter()
        .map(|row| (row["alias"].clone().unwrap(), row["customer_no"].clone().unwrap()))
        .collect();
    assert!(identities.values().all(|customer| !identities.contains_key(customer)));
    let resolve = |id: &Option<String>| identities.get(id.as_ref().unwrap()).or(id.as_ref()).unwrap().clone();
    let mut known: BTreeMap<String, bool> = identities.values().map(|customer| (customer.clone(), false)).collect();

    for (feed, column) in
        [("customers", "customer_no"), ("campaign_members", "customer_no"), ("surveys", "customer_no")]
    {
        for row in rows(feed) {
            known.entry(resolve(&row[column])).or_default();
        }
    }
    let mut advocacy: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    let mut advocate = |customer: String, at: DateTime<Utc>| {
        let latest = advocacy.entry(customer).or_insert(at);
        *latest = at.max(*latest);
    };
    for row in rows("visits") {
        let at = instant(&row, "visits", "at");
        if day_of(at) <= last_day {
            let customer = resolve(if row["customer_no"].is_some() { &row["customer_no"] } else { &row["visitor_id"] });
            if ["review", "share"].contains(&row["event"].as_deref().unwrap()) {
                advocate(customer.clone(), at);
            }
            known.insert(customer, true);
        }
    }
    for row in rows("service") {
        known.insert(resolve(&row["customer_no"]), true);
    }
    for row in rows("messages") {
        *known.entry(resolve(&row["customer_no"])).or_default() |= row["response"].as_deref() == Some("positive");
    }
    for row in rows("surveys") {
        let score = row["score"].as_ref().map(|score| score.parse::<f64>().unwrap());
        if row["survey"].as_deref() == Some("nps") && score.is_some_and(|score| score >= 9.0) {
            advocate(resolve(&row["customer_no"]), instant(&row, "surveys", "answered_at"));
        }
    }
    let mut referrals = Vec::new();
    for row in rows("referrals") {
        let (from, to) = (resolve(&row["from_customer"]), resolve(&row["to_customer"]));
        known.entry(from.clone()).or_default();
        known.entry(to.clone()).or_default();
        referrals.push((from, to, instant(&row, "referrals", "referred_at")));
    }

    let categories: BTreeMap<String, String> = rows("products")
        .into_iter()
        .map(|row| (row["sku"].clone().unwrap(), row["category"].clone().or(row["sku"].clone()).unwrap()))
        .collect();
    let mut days: BTreeMap<(String, NaiveDate), (i64, i64, Option<DateTime<Utc>>)> = BTreeMap::new();
    let mut lines = Vec::new();
    for row in rows("orders").into_iter().filter(|row| row["customer_no"].is_some()) {
        let (customer, at) = (resolve(&row["customer_no"]), instant(&row, "orders", "sold_at"));
        let quantity: i64 = row["quantity"].as_ref().unwrap().parse().unwrap();
        let cents: i64 = row["net_amount"].as_ref().unwrap().replace('.', "").parse().unwrap();
        known.entry(customer.clone()).or_default();
        let day = days.entry((customer.clone(), day_of(at))).or_default();
        day.0 += cents;
        day.1 += quantity;
        if quantity > 0 {
            day.2 = Some(day.2.map_or(at, |first| first.min(at)));
        }
        lines.push((customer, day_of(at), categories[row["sku"].as_ref().unwrap()].clone(), cents, quantity > 0));
    }
    let mut purchases: BTreeMap<String, BTreeMap<NaiveDate, DateTime<Utc>>> = BTreeMap::new();
    for ((customer, day), (cents, quantity, first)) in days {
        if cents > 0 || (cents == 0 && quantity > 0) {
            purchases.entry(customer).or_default().insert(day, first.unwrap());
        }
    }
    Reading { last_day, known, purchases, lines, advocacy, referrals }
}

impl Reading {
    fn age(&self, day: NaiveDate) -> i64 {
        (self.last_day - day).num_days()
    }

    /// `None`: never bought. Otherwise the kind of churn, and whether it is new.
    fn churn(&self, customer: &str) -> Option<(&'static str, bool)> {
        let bought = self.purchases.get(customer)?;
        let bought_in = |from: i64, to: i64| bought.keys().any(|day| (from..to).contains(&self.age(*day)));
        let mut items = [BTreeSet::new(), BTreeSet::new()];
        let mut cents = [0, 0];
        for (_, day, item, amount, is_positive) in self.lines.iter().filter(|line| line.0 == customer) {
            let window = match self.age(*day) {
                0..90 => 0,
                90..180 => 1,
                _ => continue,
            };
            cents[window] += amount;
            if *is_positive {
                items[window].insert(item);
            }
        }
        let (now, before) = (bought_in(0, 90), bought_in(90, 180));
        let kind = match (now, before) {
            (false, _) => "account",
            (true, true) if items[0].len() < items[1].len() => "product",
            (true, true) if 10 * cents[0] < 9 * cents[1] => "spend",
            _ => "none",
        };
        Some((kind, before && kind != "none"))
    }

    /// Referrals that brought a customer: (referrer, friend).
    fn converted(&self) -> Vec<(&str, &str)> {
        let mut valid: Vec<_> = self.valid_referrals();
        valid.sort_by_key(|(_, to, at)| (to.clone(), *at));
        let mut converted: Vec<(&str, &str)> = Vec::new();
        for (from, to, at) in valid {
            let Some(first) = self.purchases.get(to).and_then(|days| days.keys().next()) else { continue };
            let days = (*first - day_of(*at)).num_days();
            if (0..=180).contains(&days) && converted.last().is_none_or(|(_, friend)| friend != to) {
                converted.push((from, to));
            }
        }
        converted
    }

    fn valid_referrals(&self) -> Vec<&(String, String, DateTime<Utc>)> {
        let returned =
            |from: &String, to: &String| self.referrals.iter().any(|(other, back, _)| other == to && back == from);
        self.referrals.iter().filter(|(from, to, _)| from != to && !returned(from, to)).collect()
    }

    fn stage(&self, customer: &str, converted: &[(&str, &str)]) -> Option<&'static str> {
        let is_interested = *self.known.get(customer)?;
        let instants: Vec<DateTime<Utc>> =
            self.purchases.get(customer).into_iter().flat_map(|days| days.values().copied()).collect();
        let by_friends = converted.iter().filter(|(from, _)| *from == customer);
        let conversions = by_friends.map(|(_, friend)| *self.purchases[*friend].values().next().unwrap());
        let advocacy = conversions.chain(self.advocacy.get(customer).copied()).max();
        Some(match instants[..] {
            [] if is_interested => "prospect",
            [] => "suspect",
            [_] => "new",
            [_, second, ..] if advocacy.is_some_and(|at| at >= second) => "advocate",
            _ => "repeat",
        })
    }

    fn second_band(&self, customer: &str) -> Option<&'static str> {
        let mut days = self.purchases.get(customer)?.keys();
        let first = *days.next()?;
        Some(match days.next().map(|second| (*second - first).num_days()) {
            Some(..=30) => "0-30",
            Some(31..=60) => "31-60",
            Some(61..=90) => "61-90",
            Some(91..=365) => "91-365",
            None if self.age(first) < 365 => "waiting",
            _ => "none_in_365",
        })
    }
}

fn facts() -> &'static PlantedFacts {
    &default_business().1.facts
}

#[test]
fn the_churned_are_those_that_the_rows_show() {
    let reading = reading();
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for customer in reading.purchases.keys() {
        if let Some((kind, true)) = reading.churn(customer) {
            found.entry(kind).or_default().push(customer.clone());
        }
    }
    let churn = &facts().churn;
    assert_eq!(found["account"], churn.account);
    assert_eq!(found["product"], churn.product);
    assert_eq!(found["spend"], churn.spend);
    assert!(churn.account.len() > 50 && churn.product.len() > 20 && churn.spend.len() > 20);
    let base = reading.purchases.values().filter(|days| days.keys().any(|day| (90..180).contains(&reading.age(*day))));
    assert_eq!(base.count() as u64, churn.base);
}

#[test]
fn the_stages_are_those_that_the_rows_show() {
    let reading = reading();
    let converted = reading.converted();
    let mut reached = [0u64; 5];
    for customer in reading.known.keys() {
        let stage = reading.stage(customer, &converted).unwrap();
        let rank = ["suspect", "prospect", "new", "repeat", "advocate"].iter().position(|name| *name == stage).unwrap();
        reached[..=rank].iter_mut().for_each(|count| *count += 1);
    }
    assert_eq!(reached, facts().stages.reached);
    assert!(reached.is_sorted_by(|before, after| before > after), "every stage loses some: {reached:?}");
}

#[test]
fn the_referrals_are_those_that_the_rows_show() {
    let reading = reading();
    let planted = &facts().referrals;
    let (valid, converted) = (reading.valid_referrals(), reading.converted());
    assert_eq!(valid.len() as u64, planted.valid);
    assert_eq!((reading.referrals.len() - valid.len()) as u64, planted.excluded);
    assert_eq!(converted.len() as u64, planted.converted);
    assert!(planted.excluded == 3 && planted.converted > 20 && planted.converted < planted.valid);
    for referrer in &planted.best {
        let made = valid.iter().filter(|(from, _, _)| *from == referrer.customer).count() as u64;
        let brought = converted.iter().filter(|(from, _)| *from == referrer.customer).count() as u64;
        assert_eq!((made, brought), (referrer.referrals, referrer.converted), "{}", referrer.customer);
    }
    assert!(planted.best.is_sorted_by_key(|referrer| std::cmp::Reverse(referrer.converted)));
}

#[test]
fn the_second_purchases_are_those_that_the_rows_show() {
    let reading = reading();
    let mut bands: BTreeMap<&str, u64> = BTreeMap::new();
    for customer in reading.purchases.keys() {
        *bands.entry(reading.second_band(customer).unwrap()).or_default() += 1;
    }
    let planted = &facts().second_purchase;
    assert_eq!(bands, planted.customers);
    // Who comes back in the best band is still there after a year, more often than the others.
    let mut active: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (customer, days) in &reading.purchases {
        let first = *days.keys().next().unwrap();
        if reading.age(first) >= 455 {
            let counts = active.entry(reading.second_band(customer).unwrap()).or_default();
            counts.0 += 1;
            counts.1 += u64::from(days.keys().any(|day| (365..455).contains(&(*day - first).num_days())));
        }
    }
    let rate = |band: &str| active[band].1 as f64 / active[band].0 as f64;
    for other in ["61-90", "91-365", "none_in_365"] {
        assert!(rate(planted.best_band) > rate(other) + 0.05, "{other}: {active:?}");
    }
}

#[test]
fn every_scripted_life_is_in_the_rows() {
    let reading = reading();
    let converted = reading.converted();
    let scripted = &facts().scripted;
    assert!(scripted.len() > 60, "{}", scripted.len());
    let ids: BTreeSet<&str> = scripted.iter().map(|scripted| scripted.customer.as_str()).collect();
    assert_eq!(ids.len(), scripted.len());
    for life in scripted {
        let ScriptedCustomer { customer, role, .. } = life;
        assert!(customer.len() == 7 && customer.starts_with('c'), "{customer}");
        if role == &"merged_alias" {
            assert_eq!(reading.known.get(customer), None, "an alias is no customer");
            continue;
        }
        assert_eq!(reading.stage(customer, &converted), Some(life.stage), "stage of {role}");
        let churn = reading.churn(customer);
        assert_eq!(churn.map(|(kind, _)| kind), life.churn, "churn of {role}");
        assert_eq!(churn.is_some_and(|(_, is_new)| is_new), life.is_new_churn, "new churn of {role}");
        assert_eq!(reading.second_band(customer), life.second_purchase_band, "second purchase of {role}");
        let made = reading.valid_referrals().iter().filter(|(from, _, _)| from == customer).count() as u32;
        let brought = converted.iter().filter(|(from, _)| from == customer).count() as u32;
        assert_eq!((made, brought), (life.referrals, life.converted), "referrals of {role}");
    }
}

#[test]
fn the_alias_of_a_scripted_pair_has_the_smaller_number() {
    let scripted = &facts().scripted;
    let number = |role: &str| &scripted.iter().find(|life| life.role == role).unwrap().customer;
    assert!(number("merged_alias") < number("merged_customer"));
}

#[test]
fn one_campaign_works_and_one_does_not() {
    let rates = |facts: &lifecycle::demo::CampaignFacts| {
        let share = |bought: u64, members: u64| bought as f64 / members as f64;
        let (treated, control) =
            (share(facts.treated_bought, facts.treated), share(facts.control_bought, facts.control));
        let variance =
            treated * (1.0 - treated) / facts.treated as f64 + control * (1.0 - control) / facts.control as f64;
        (treated - control, variance.sqrt())
    };
    let (lift, error) = rates(facts().working_campaign.as_ref().unwrap());
    assert!(lift > 0.15 && lift > 4.0 * error, "{lift} ± {error}");
    let (lift, error) = rates(facts().idle_campaign.as_ref().unwrap());
    assert!(lift.abs() < 1.5 * error, "{lift} ± {error}");
}

#[test]
fn bargain_hunters_leave_more_often() {
    let shares = &facts().churn_by_persona;
    let rate = |persona: &str| shares[persona].churned as f64 / shares[persona].base as f64;
    assert_eq!(shares.len(), 5);
    for other in shares.keys().filter(|persona| **persona != "bargain_hunter") {
        assert!(rate("bargain_hunter") > rate(other) + 0.05, "{shares:?}");
    }
}
