//! Campaigns with and without control arms, and the newsletter.

use super::calendar::DAYS_AFTER;
use super::feeds::Feed;
use super::ledger::{Fact, NO_FACTS};
use super::population::{Customer, Is};
use super::random::{Dice, Stream};
use super::record::{Handling, Record, Value};
use super::rows::{self, Message};
use super::world::{Deed, World};

const EVERY_DAYS: u32 = 30;
const FIRST_DAY: u32 = 20;
const LASTS_DAYS: u32 = 21;
/// The watched campaigns need this many days after them, so that their effect can be seen.
const EFFECT_DAYS: u32 = 91;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objective {
    Acquisition,
    Retention,
    Reactivation,
    CrossSell,
    Referral,
}

/// How a campaign's members are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Draw {
    /// A share of them is held back as control.
    Arms { control: f64 },
    /// Members without an arm: all are contacted.
    NoArms,
    /// No list of members at all: messages only.
    NoMembers,
}

#[derive(Debug, Clone)]
pub(super) struct Campaign {
    pub number: u32,
    objective: Objective,
    pub start: u32,
    cents: i64,
    draw: Draw,
    /// The chance that a treated member buys because of it.
    uplift: f64,
    /// 0: the one that works; 1: the one that does not.
    pub watched: Option<u8>,
}

/// The campaigns of the window and of the days after it.
pub(super) fn plan_campaigns(days: u32) -> Vec<Campaign> {
    let turns = [
        Objective::Retention,
        Objective::Acquisition,
        Objective::CrossSell,
        Objective::Referral,
        Objective::Reactivation,
    ];
    let opening = Campaign {
        number: 0,
        objective: Objective::Acquisition,
        start: 0,
        cents: 90_000,
        draw: Draw::NoArms,
        uplift: 0.02,
        watched: None,
    };
    let later = (0..)
        .map(|turn: u32| (turn, FIRST_DAY + EVERY_DAYS * turn))
        .take_while(|(_, start)| *start < days + DAYS_AFTER);
    let mut campaigns: Vec<Campaign> = std::iter::once(opening)
        .chain(later.map(|(turn, start)| {
            let objective = turns[turn as usize % 5];
            let draw = match (objective, turn / 5 % 2) {
                (Objective::Referral, _) => Draw::NoArms,
                (Objective::Acquisition, 0) => Draw::NoMembers,
                _ => Draw::Arms { control: 0.2 },
            };
            let cents = 30_000 + i64::from(turn * 7 % 5) * 12_500;
            Campaign { number: turn + 1, objective, start, cents, draw, uplift: 0.03, watched: None }
        }))
        .collect();
    let fits = |campaign: &Campaign| campaign.start <= days * 62 / 100 && campaign.start + EFFECT_DAYS < days;
    let working = campaigns.iter_mut().rfind(|campaign| campaign.objective == Objective::Retention && fits(campaign));
    if let Some(campaign) = working {
        *campaign = Campaign { uplift: 0.45, watched: Some(0), draw: Draw::Arms { control: 0.5 }, ..campaign.clone() };
    }
    let idle = campaigns.iter_mut().rfind(|campaign| campaign.objective == Objective::CrossSell && fits(campaign));
    if let Some(campaign) = idle {
        *campaign = Campaign { uplift: 0.0, watched: Some(1), draw: Draw::Arms { control: 0.5 }, ..campaign.clone() };
    }
    campaigns
}

impl Campaign {
    fn objective_word(&self) -> &'static str {
        match self.objective {
            Objective::Acquisition => "acquisition",
            Objective::Retention => "retention",
            Objective::Reactivation => "reactivation",
            Objective::CrossSell => "cross_sell",
            Objective::Referral => "referral",
        }
    }

    fn channel(&self) -> &'static str {
        ["email", "mail", "email", "social", "phone"][self.number as usize % 5]
    }

    fn message_kind(&self) -> &'static str {
        match self.objective {
            Objective::Acquisition | Objective::Retention => "offer",
            Objective::Reactivation => "win_back",
            Objective::CrossSell => "cross_sell",
            Objective::Referral => "referral_request",
        }
    }

    fn share_drawn(&self) -> f64 {
        match (self.watched, self.objective) {
            (Some(_), _) => 0.8,
            (None, Objective::Acquisition) => 0.12,
            _ => 0.3,
        }
    }

    fn wants(&self, person: &Customer, day: u32) -> bool {
        let reachable = person.is(Is::Registered)
            && person.is(Is::Contactable)
            && !person.is(Is::Neglected)
            && !person.is(Is::Scripted)
            && !person.is(Is::Deleted)
            && !person.is(Is::Duplicate);
        let since = person.days_since_purchase(day);
        reachable
            && match self.objective {
                Objective::Acquisition => since.is_none(),
                Objective::Retention => since.is_some_and(|days| days <= 180),
                Objective::CrossSell => since.is_some_and(|days| days <= 365),
                Objective::Referral => person.purchases >= 2 && since.is_some_and(|days| days <= 200),
                Objective::Reactivation => since.is_some_and(|days| days > 150),
            }
    }
}

impl World {
    pub(super) fn run_campaigns(&mut self, day: u32) {
        let today: Vec<Campaign> = self.campaigns.iter().filter(|campaign| campaign.start == day).cloned().collect();
        let ending: Vec<Campaign> =
            self.campaigns.iter().filter(|campaign| campaign.start + LASTS_DAYS == day).cloned().collect();
        for campaign in ending {
            // The final account: a tenth over budget.
            self.send_campaign(day, &campaign, campaign.cents * 11 / 10);
        }
        for campaign in today {
            self.send_campaign(day, &campaign, campaign.cents);
            self.draw_members(day, &campaign);
        }
    }

    fn send_campaign(&mut self, day: u32, campaign: &Campaign, cents: i64) {
        let date = |day: u32| Value::Date((self.calendar.instant(day, 0) / 86_400) as i32);
        let record = Record {
            values: vec![
                rows::campaign_code(Some(campaign.number)),
                Value::text(format!("{} {}", campaign.objective_word().replace('_', " "), campaign.number + 1)),
                Value::Word(campaign.objective_word()),
                Value::Word(campaign.channel()),
                date(campaign.start),
                date(campaign.start + LASTS_DAYS),
                Value::Cents(cents),
            ],
            at: self.calendar.instant(day, 0),
            facts: NO_FACTS,
            handling: Handling::Fixed,
        };
        self.send(Feed::Campaigns, day, record);
    }

    fn draw_members(&mut self, day: u32, campaign: &Campaign) {
        let mut drawn: Vec<(u32, Dice)> = Vec::new();
        for customer in 0..self.people.len() as u32 {
            if self.people[customer as usize].arrival > day {
                // Nobody after this one has registered yet.
                break;
            }
            if !campaign.wants(&self.people[customer as usize], day) {
                continue;
            }
            let mut dice = Dice::new(self.seed, Stream::Campaign, u64::from(customer), u64::from(campaign.number));
            if dice.chance(campaign.share_drawn()) {
                drawn.push((customer, dice));
            }
        }
        let controls = if campaign.watched.is_some() { self.controls_of_pairs(&drawn) } else { Vec::new() };
        for (place, (customer, mut dice)) in drawn.into_iter().enumerate() {
            self.enrol(day, customer, campaign, controls.get(place).copied(), &mut dice);
        }
    }

    /// Who of those drawn is held back: of two who are about as likely to buy anyway, one, by the toss of a coin.
    ///
    /// So that chance alone makes a campaign that does nothing look good, or bad, in hardly any business.
    fn controls_of_pairs(&self, drawn: &[(u32, Dice)]) -> Vec<bool> {
        let mut alike: Vec<(f32, usize)> = (0..)
            .zip(drawn)
            .map(|(place, (customer, _))| {
                let person = &self.people[*customer as usize];
                (if person.is(Is::Alive) { person.rate } else { 0.0 }, place)
            })
            .collect();
        alike.sort_by(|(one, first), (other, second)| one.total_cmp(other).then(first.cmp(second)));
        let mut controls = vec![false; drawn.len()];
        for pair in alike.chunks(2) {
            let is_first = pair.first().is_some_and(|(_, place)| drawn[*place].1.clone().chance(0.5));
            for ((_, place), is_control) in pair.iter().zip([is_first, !is_first]) {
                controls[*place] = is_control;
            }
        }
        controls
    }

    /// `is_control`: settled already; otherwise the campaign's share decides.
    fn enrol(&mut self, day: u32, customer: u32, campaign: &Campaign, is_control: Option<bool>, dice: &mut Dice) {
        let (arm, is_treated) = match campaign.draw {
            Draw::Arms { control } => {
                let is_drawn = dice.chance(control);
                if is_control.unwrap_or(is_drawn) { (Some("control"), false) } else { (Some("treatment"), true) }
            }
            Draw::NoArms | Draw::NoMembers => (None, true),
        };
        let second = dice.between(25_200, 28_800);
        if campaign.draw != Draw::NoMembers {
            let fact = Fact::Member { customer, watched: campaign.watched, is_treated };
            let at = self.calendar.instant(day, second);
            self.send(Feed::CampaignMembers, day, rows::member_row(campaign.number, customer, arm, at, fact));
        }
        if !is_treated {
            return;
        }
        let likes = if campaign.watched == Some(0) { 0.3 } else { 0.12 };
        let response = ["positive", "negative", "later", "none"][dice.weighted(&[likes, 0.03, 0.04, 0.9 - likes])];
        let answer_value = (response == "positive").then(|| f64::from(dice.between(10, 90)) / 2.0);
        let message = Message {
            message: 0,
            customer,
            at: self.calendar.instant(day, second + dice.between(600, 20_000)),
            kind: campaign.message_kind(),
            channel: campaign.channel(),
            campaign: Some(campaign.number),
            content: dice.chance(0.5).then(|| dice.below(16)),
            response,
            answer_value,
        };
        self.tell(day, message, dice);
        if response == "positive" && dice.chance(0.4) {
            self.schedule(day + dice.between(1, 3), customer, Deed::Visit { left: 0 });
        }
        if dice.chance(campaign.uplift) {
            let deed = Deed::CampaignPurchase { campaign: campaign.number as u16 };
            self.schedule(day + dice.between(1, 25), customer, deed);
        }
    }

    /// Four times a year, spread over ten days, to a third of those who may be written to.
    pub(super) fn send_newsletters(&mut self, day: u32) {
        let slice = day % 91;
        if !(40..50).contains(&slice) {
            return;
        }
        for customer in (0..self.people.len() as u32).filter(|customer| customer % 10 == slice - 40) {
            let person = self.people[customer as usize];
            if person.arrival > day {
                break;
            }
            let mut dice = Dice::new(self.seed, Stream::Newsletter, u64::from(customer), u64::from(day / 91));
            let is_open = person.is(Is::Contactable) && !person.is(Is::Neglected) && !person.is(Is::Scripted);
            if !is_open || person.is(Is::Deleted) || !person.is(Is::Registered) || !dice.chance(0.35) {
                continue;
            }
            let response = ["positive", "negative", "later", "none"][dice.weighted(&[0.05, 0.01, 0.005, 0.935])];
            let message = Message {
                message: 0,
                customer,
                at: self.calendar.instant(day, dice.between(21_600, 36_000)),
                kind: "newsletter",
                channel: "email",
                campaign: None,
                content: Some(dice.below(16)),
                response,
                answer_value: None,
            };
            self.tell(day, message, &mut dice);
        }
    }
}
