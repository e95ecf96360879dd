//! What the generator planted: the objects, their dirt, and the truth that the marts should find.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::calendar::DAY_SECONDS;
use super::ledger::{Edge, Entry, Ledger, REFERRAL_DAYS};
use super::people::{PERSONAS, customer_no};
use super::population::Customer;

/// One raw object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoObject {
    /// Relative to the demo's directory: `raw/orders/date=2025-01-01/orders.csv.gz`.
    pub path: String,
    /// The source's name.
    pub feed: &'static str,
    /// The day in its path, or on which it was dropped.
    pub date: NaiveDate,
    /// Rows, broken ones included; a CSV's header is none.
    pub rows: u64,
    /// Rows that the contract has to refuse, each for itself.
    pub broken: u64,
    pub bytes: u64,
    /// Delivered again some days later, in the version that is here.
    pub is_corrected: bool,
}

/// One feed over all days, those before a later delivery included (without their bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedSummary {
    pub objects: u64,
    pub rows: u64,
    pub broken: u64,
    /// Rows that were in the object of the day before already.
    pub twice: u64,
    /// Rows that came up to ten days after their day.
    pub late: u64,
    pub bytes: u64,
}

/// What was written, and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoSummary {
    pub first_day: NaiveDate,
    /// The as-of day for which the facts hold.
    pub last_day: NaiveDate,
    /// The objects that this call wrote, in the order of their days.
    pub objects: Vec<DemoObject>,
    /// By the source's name.
    pub feeds: BTreeMap<&'static str, FeedSummary>,
    /// Rows of the window that are delivered after it.
    pub undelivered: u64,
    pub facts: PlantedFacts,
}

impl DemoSummary {
    /// Bytes of all objects that this call wrote.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// The truth about the readable, delivered rows up to the last day, by the published definitions and default parameters.
///
/// Customers are those after identities are resolved. Rates of the population depend on the seed, scripted lives do not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlantedFacts {
    pub stages: StageFacts,
    pub churn: ChurnFacts,
    pub referrals: ReferralFacts,
    pub second_purchase: SecondPurchaseFacts,
    /// The campaign that works, and the one that does not; `None` where the window is too short for it.
    pub working_campaign: Option<CampaignFacts>,
    pub idle_campaign: Option<CampaignFacts>,
    /// By persona, of customers with a profile; bargain hunters leave more often than the others.
    pub churn_by_persona: BTreeMap<&'static str, ChurnShare>,
    /// Customers whose lives are written, row by row; empty in a business of fewer than 500 customers or 540 days.
    pub scripted: Vec<ScriptedCustomer>,
}

/// Customers by stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageFacts {
    /// Suspect, prospect, new, repeat, advocate: who has got at least so far.
    pub reached: [u64; 5],
    /// Of the suspects and prospects, visitors whose name nobody knows.
    pub strangers: u64,
}

/// Account, product and spend churn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChurnFacts {
    /// Customers who bought in the window before.
    pub base: u64,
    /// New churn, by customer number, sorted: not bought in the window, though in the one before.
    pub account: Vec<String>,
    /// Bought fewer distinct categories than before.
    pub product: Vec<String>,
    /// Spent less than 90 % of before.
    pub spend: Vec<String>,
    /// Money lost by new churn, in hundredths.
    pub revenue_lost_cents: i64,
}

/// Referrals and who made them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReferralFacts {
    /// All but the excluded.
    pub valid: u64,
    /// Self-referrals and circles.
    pub excluded: u64,
    pub converted: u64,
    /// The best first: most converted, then by number; at most 20.
    pub best: Vec<Referrer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub customer: String,
    pub referrals: u64,
    pub converted: u64,
}

/// Customers by the days from the first to the second purchase day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondPurchaseFacts {
    /// `0-30`, `31-60`, `61-90`, `91-365`, `none_in_365`, `waiting`.
    pub customers: BTreeMap<&'static str, u64>,
    /// Those who come back in this band stay longest.
    pub best_band: &'static str,
}

/// A campaign's members who bought within 90 days of the draw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CampaignFacts {
    pub code: String,
    pub treated: u64,
    pub treated_bought: u64,
    pub control: u64,
    pub control_bought: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChurnShare {
    pub base: u64,
    pub churned: u64,
}

/// A life that is written, row by row, and what every mart has to say about it on the last day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptedCustomer {
    pub customer: String,
    /// What the life is an example of: `churn_account_moved`, `referrer_of_three`.
    pub role: &'static str,
    pub stage: &'static str,
    /// `account`, `product`, `spend`, `none`; `None`: never bought.
    pub churn: Option<&'static str>,
    pub is_new_churn: bool,
    pub reason: Option<&'static str>,
    /// `stated`, or `inferred`.
    pub reason_source: Option<&'static str>,
    pub second_purchase_band: Option<&'static str>,
    /// Valid referrals made, and how many of them converted.
    pub referrals: u32,
    pub converted: u32,
    /// One of the actions that are due for them.
    pub action: Option<&'static str>,
}

const SECOND_BANDS: [&str; 6] = ["0-30", "31-60", "61-90", "91-365", "none_in_365", "waiting"];

/// Draws the facts from a ledger that has been closed.
pub(super) fn draw(
    ledger: &Ledger,
    people: &[Customer],
    campaigns: [Option<String>; 2],
    scripted: Vec<ScriptedCustomer>,
) -> PlantedFacts {
    let converting = converting_referrals(ledger);
    let [working, idle] = campaigns;
    PlantedFacts {
        stages: stages(ledger, &converting),
        churn: churn(ledger),
        referrals: referrals(ledger, &converting),
        second_purchase: second_purchases(ledger),
        working_campaign: working.map(|code| campaign(ledger, 0, code)),
        idle_campaign: idle.map(|code| campaign(ledger, 1, code)),
        churn_by_persona: churn_by_persona(ledger, people),
        scripted,
    }
}

fn known(ledger: &Ledger) -> impl Iterator<Item = (u32, &Entry)> {
    (0u32..).zip(&ledger.entries).filter(|(_, entry)| entry.is_known())
}

fn day_of(at: u32) -> i64 {
    i64::from(at.saturating_sub(1)) / DAY_SECONDS
}

/// Edges that are not self-referrals and whose two people did not refer each other.
fn valid_edges(ledger: &Ledger) -> Vec<Edge> {
    let pairs: BTreeSet<(u32, u32)> = ledger.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let is_valid = |edge: &&Edge| edge.from != edge.to && !pairs.contains(&(edge.to, edge.from));
    ledger.edges.iter().filter(is_valid).copied().collect()
}

/// For each friend who bought in time, the earliest referral whose term holds the first purchase.
fn converting_referrals(ledger: &Ledger) -> Vec<Edge> {
    let mut edges = valid_edges(ledger);
    edges.sort_by_key(|edge| (edge.to, edge.at));
    let mut converting: Vec<Edge> = Vec::new();
    for edge in edges {
        let bought = ledger.entries.get(edge.to as usize).map_or(0, |entry| entry.first);
        let days = day_of(bought) - day_of(edge.at);
        let is_in_term = bought > 0 && (0..=REFERRAL_DAYS).contains(&days);
        if is_in_term && converting.last().is_none_or(|last| last.to != edge.to) {
            converting.push(edge);
        }
    }
    converting
}

fn stages(ledger: &Ledger, converting: &[Edge]) -> StageFacts {
    let mut advocacy: BTreeMap<u32, u32> = BTreeMap::new();
    for edge in converting {
        let bought = ledger.entries.get(edge.to as usize).map_or(0, |entry| entry.first);
        let latest = advocacy.entry(edge.from).or_default();
        *latest = bought.max(*latest);
    }
    let mut reached = [ledger.strangers, ledger.strangers, 0, 0, 0];
    for (number, entry) in known(ledger) {
        let latest = entry.advocacy.max(advocacy.get(&number).copied().unwrap_or(0));
        let is_advocate = entry.second > 0 && latest >= entry.second;
        let evidence = [true, entry.is_prospect() || entry.first > 0, entry.first > 0, entry.second > 0, is_advocate];
        for (count, has) in reached.iter_mut().zip(evidence) {
            *count += u64::from(has);
        }
    }
    StageFacts { reached, strangers: ledger.strangers }
}

fn churn(ledger: &Ledger) -> ChurnFacts {
    let mut facts = ChurnFacts::default();
    for (number, entry) in known(ledger).filter(|(_, entry)| entry.items_before != 0) {
        facts.base += 1;
        let list = if entry.items_now == 0 {
            &mut facts.account
        } else if entry.items_now.count_ones() < entry.items_before.count_ones() {
            &mut facts.product
        } else if 10 * i64::from(entry.cents_now) < 9 * i64::from(entry.cents_before) {
            &mut facts.spend
        } else {
            continue;
        };
        list.push(customer_no(number));
        facts.revenue_lost_cents += i64::from(entry.cents_before.saturating_sub(entry.cents_now).max(0));
    }
    facts
}

fn referrals(ledger: &Ledger, converting: &[Edge]) -> ReferralFacts {
    let edges = valid_edges(ledger);
    let mut by_referrer: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for edge in &edges {
        by_referrer.entry(edge.from).or_default().0 += 1;
    }
    for edge in converting {
        by_referrer.entry(edge.from).or_default().1 += 1;
    }
    let mut ranked: Vec<(u32, (u64, u64))> = by_referrer.into_iter().collect();
    ranked.sort_by_key(|(number, (_, converted))| (std::cmp::Reverse(*converted), *number));
    let best = ranked.into_iter().take(20);
    ReferralFacts {
        valid: edges.len() as u64,
        excluded: (ledger.edges.len() - edges.len()) as u64,
        converted: converting.len() as u64,
        best: best
            .map(|(number, (referrals, converted))| Referrer { customer: customer_no(number), referrals, converted })
            .collect(),
    }
}

fn second_purchases(ledger: &Ledger) -> SecondPurchaseFacts {
    let mut customers: BTreeMap<&'static str, u64> = SECOND_BANDS.iter().map(|band| (*band, 0)).collect();
    for (_, entry) in known(ledger).filter(|(_, entry)| entry.first > 0) {
        let gap = (entry.second > 0).then(|| day_of(entry.second) - day_of(entry.first));
        let age = ledger.last_day - day_of(entry.first);
        let band = match gap {
            Some(..=30) => "0-30",
            Some(31..=60) => "31-60",
            Some(61..=90) => "61-90",
            Some(91..=365) => "91-365",
            None if age < 365 => "waiting",
            _ => "none_in_365",
        };
        *customers.entry(band).or_default() += 1;
    }
    SecondPurchaseFacts { customers, best_band: "31-60" }
}

fn campaign(ledger: &Ledger, number: usize, code: String) -> CampaignFacts {
    let mut facts = CampaignFacts { code, ..CampaignFacts::default() };
    for (is_treated, has_bought) in known(ledger).filter_map(|(_, entry)| entry.watched(number)) {
        let (members, buyers) = if is_treated {
            (&mut facts.treated, &mut facts.treated_bought)
        } else {
            (&mut facts.control, &mut facts.control_bought)
        };
        *members += 1;
        *buyers += u64::from(has_bought);
    }
    facts
}

fn churn_by_persona(ledger: &Ledger, people: &[Customer]) -> BTreeMap<&'static str, ChurnShare> {
    let mut shares: BTreeMap<&'static str, ChurnShare> = BTreeMap::new();
    for (number, entry) in known(ledger).filter(|(_, entry)| entry.items_before != 0 && entry.has_profile()) {
        let Some(person) = people.get(number as usize) else { continue };
        let share = shares.entry(PERSONAS[usize::from(person.persona) % PERSONAS.len()]).or_default();
        share.base += 1;
        share.churned += u64::from(entry.items_now == 0);
    }
    shares
}
