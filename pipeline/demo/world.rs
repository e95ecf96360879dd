//! The business, day by day: who does something today, and what they will do later.
//!
//! Memory holds the customers' traits, an agenda of what each will do next, and the rows of one day.

use std::collections::BTreeMap;

use super::calendar::{Calendar, DAYS_AFTER};
use super::catalogue::{Product, content_rows, is_catalogue_day, product_rows};
use super::facts::{self, DemoSummary, ScriptedCustomer};
use super::feeds::Feed;
use super::ledger::{Fact, Ledger};
use super::marketing::{Campaign, plan_campaigns};
use super::outbox::Outbox;
use super::people::{self, ProfileState, REFERRAL, WEB};
use super::population::{self, Arrivals, Customer, Is};
use super::random::{Dice, Stream};
use super::record::{Handling, Record, id_text};
use super::rows;
use super::scripted::{Act, Script};
use super::settings::{DemoError, DemoProgress, DemoSettings};

/// What a customer does on a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Deed {
    Arrive,
    /// A visit before anyone knows the name.
    Browse,
    Purchase {
        is_first: bool,
    },
    CampaignPurchase {
        campaign: u16,
    },
    Return {
        product: Product,
        quantity: u8,
        cents: u32,
    },
    Visit {
        left: u8,
    },
    Enquire,
    Complain,
    /// The company's answer to a complaint.
    Answer,
    Thank,
    Nps,
    Csat,
    Exit {
        reason: u8,
    },
}

impl Deed {
    /// A day's purchases come before its returns, so that a return can make way.
    fn rank(self) -> u8 {
        match self {
            Self::Arrive => 0,
            Self::Purchase { .. } | Self::CampaignPurchase { .. } => 1,
            _ => 2,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Arrive => 0,
            Self::Browse => 1,
            Self::Purchase { .. } => 2,
            Self::CampaignPurchase { campaign } => 16 + u64::from(campaign),
            Self::Return { .. } => 3,
            Self::Visit { .. } => 4,
            Self::Enquire => 5,
            Self::Complain => 6,
            Self::Answer => 7,
            Self::Thank => 8,
            Self::Nps => 9,
            Self::Csat => 10,
            Self::Exit { .. } => 11,
        }
    }
}

/// The numbers that the systems give out.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub order: u32,
    pub event: u32,
    pub case: u32,
    pub message: u32,
    pub referral: u32,
    pub response: u32,
    pub stranger: u32,
}

/// The next number of a series, from 1.
pub(super) fn next(number: &mut u32) -> u32 {
    *number += 1;
    *number
}

#[derive(Debug)]
pub(super) struct World {
    pub seed: u64,
    pub calendar: Calendar,
    pub days: u32,
    pub customers: u32,
    pub people: Vec<Customer>,
    pub campaigns: Vec<Campaign>,
    pub numbers: Numbers,
    /// The next customer whom someone may have referred.
    pub next_friend: u32,
    agenda: Vec<Vec<(u32, Deed)>>,
    outbox: Outbox,
    ledger: Ledger,
    script: BTreeMap<u32, Vec<Act>>,
    scripted: Vec<ScriptedCustomer>,
}

impl World {
    /// The business before its first day. Facts are drawn for `as_of_day`; objects of days before `first_written_day` are not written.
    pub(super) fn new(settings: &DemoSettings, as_of_day: u32, first_written_day: u32) -> Result<Self, DemoError> {
        let calendar = settings.calendar()?;
        let (seed, days) = (settings.seed, settings.days);
        let arrivals = Arrivals::new(settings.customers, days);
        let mut people = population::draw(seed, arrivals, days);
        let Script { acts, customers: scripted } = Script::write(arrivals, &mut people, days);
        let campaigns = plan_campaigns(days);
        let watched = [0, 1].map(|watch| campaigns.iter().find(|c| c.watched == Some(watch)).map(|c| c.start));
        let ledger = Ledger::new(calendar.clone(), people.len(), as_of_day, watched);
        let mut world = Self {
            seed,
            days,
            customers: settings.customers,
            campaigns,
            numbers: Numbers::default(),
            next_friend: 0,
            agenda: vec![Vec::new(); (days + DAYS_AFTER + 1) as usize],
            outbox: Outbox::new(seed, settings.raw(), days, first_written_day),
            ledger,
            script: acts,
            scripted,
            calendar,
            people,
        };
        world.schedule_arrivals();
        Ok(world)
    }

    fn schedule_arrivals(&mut self) {
        for number in 0..self.people.len() as u32 {
            let person = self.people[number as usize];
            if person.is(Is::Scripted) {
                continue;
            }
            self.schedule(person.arrival, number, Deed::Arrive);
            if person.is(Is::AnonymousFirst) {
                let mut dice = self.dice(number, 0, Deed::Browse);
                for _ in 0..dice.between(1, 2) {
                    if let Some(day) = person.arrival.checked_sub(dice.between(1, 12)) {
                        self.schedule(day, number, Deed::Browse);
                    }
                }
            }
        }
    }

    /// Writes the days up to and without `end`.
    pub(super) fn run(&mut self, end: u32, progress: &mut dyn FnMut(DemoProgress)) -> Result<(), DemoError> {
        for day in 0..end {
            self.live(day);
            self.outbox.deliver(&self.calendar, day, &mut self.ledger)?;
            progress(DemoProgress {
                day: self.calendar.date(day),
                days_done: day + 1,
                days: end,
                rows: self.outbox.rows,
            });
        }
        Ok(())
    }

    /// What was written, with the facts as of `last_day`.
    pub(super) fn finish(mut self, last_day: u32) -> DemoSummary {
        self.ledger.close();
        let code = |watch| {
            let campaign = self.campaigns.iter().find(|campaign| campaign.watched == Some(watch));
            campaign.map(|campaign| id_text('k', campaign.number + 1))
        };
        let codes = [code(0), code(1)];
        DemoSummary {
            first_day: self.calendar.date(0),
            last_day: self.calendar.date(last_day),
            undelivered: self.outbox.undelivered(),
            facts: facts::draw(&self.ledger, &self.people, codes, self.scripted),
            objects: self.outbox.objects,
            feeds: self.outbox.feeds,
        }
    }

    pub(super) fn send(&mut self, feed: Feed, day: u32, record: Record) {
        self.outbox.send(&self.calendar, feed, day, record);
    }

    /// Sends a newer version of a row that has been sent before.
    pub(super) fn send_again(&mut self, feed: Feed, day: u32, record: Record) {
        self.outbox.send_on(feed, day, Record { handling: Handling::Fixed, ..record });
    }

    pub(super) fn schedule(&mut self, day: u32, customer: u32, deed: Deed) {
        if let Some(tasks) = self.agenda.get_mut(day as usize) {
            tasks.push((customer, deed));
        }
    }

    pub(super) fn dice(&self, customer: u32, day: u32, deed: Deed) -> Dice {
        Dice::new(self.seed, Stream::Deed, u64::from(customer), u64::from(day) << 16 | deed.number())
    }

    fn live(&mut self, day: u32) {
        if is_catalogue_day(day) {
            product_rows(&self.calendar, day).into_iter().for_each(|row| self.send(Feed::Products, day, row));
        }
        if day == 0 {
            content_rows(&self.calendar).into_iter().for_each(|row| self.send(Feed::Content, day, row));
        }
        // Again, as a deed may lead to another on the same day.
        loop {
            let mut tasks = self.agenda.get_mut(day as usize).map(std::mem::take).unwrap_or_default();
            if tasks.is_empty() {
                break;
            }
            tasks.sort_by_key(|(_, deed)| deed.rank());
            for (customer, deed) in tasks {
                self.perform(day, customer, deed);
            }
        }
        self.run_campaigns(day);
        self.send_newsletters(day);
        self.meet_strangers(day);
        self.sell_over_the_counter(day);
        for act in self.script.remove(&day).unwrap_or_default() {
            self.act(day, act);
        }
    }

    fn perform(&mut self, day: u32, customer: u32, deed: Deed) {
        if self.people[customer as usize].is(Is::Deleted) {
            return;
        }
        let mut dice = self.dice(customer, day, deed);
        match deed {
            Deed::Arrive => self.arrive(day, customer, &mut dice),
            Deed::Browse => self.browse(day, customer, &mut dice),
            Deed::Purchase { is_first } => self.purchase(day, customer, is_first, &mut dice),
            Deed::CampaignPurchase { campaign } => self.campaign_purchase(day, customer, campaign, &mut dice),
            Deed::Return { product, quantity, cents } => {
                self.give_back(day, customer, product, quantity, cents, &mut dice)
            }
            Deed::Visit { left } => self.visit(day, customer, left, &mut dice),
            Deed::Enquire => self.enquire(day, customer, &mut dice),
            Deed::Complain => self.complain(day, customer, &mut dice),
            Deed::Answer => self.answer_complaint(day, customer, &mut dice),
            Deed::Thank => self.thank(day, customer, &mut dice),
            Deed::Nps => self.ask_nps(day, customer, &mut dice),
            Deed::Csat => self.ask_csat(day, customer, &mut dice),
            Deed::Exit { reason } => self.say_goodbye(day, customer, reason, &mut dice),
        }
    }

    fn arrive(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let mut person = self.people[customer as usize];
        if person.source == REFERRAL && !person.is(Is::Referred) {
            // Nobody referred them after all.
            person.source = WEB;
        }
        person.set(Is::Registered, true);
        self.people[customer as usize] = person;
        let second = dice.between(8 * 3_600, 21 * 3_600);
        self.send_profile(day, customer, second);
        let at = self.calendar.instant_of_local(day, second);
        if person.is(Is::AnonymousFirst) && dice.chance(0.85) {
            self.send(Feed::Identities, day, rows::link_row(customer, customer, at));
        }
        let before = customer.wrapping_sub(1);
        if person.is(Is::Duplicate)
            && self.people.get(before as usize).is_some_and(|other| !other.is(Is::Scripted) && !other.is(Is::Duplicate))
        {
            self.send(Feed::Identities, day, rows::same_customer_row(customer, before, at));
        }
        if person.is(Is::Buyer) {
            let wait = if person.source == people::STORE { 0.0 } else { dice.exponential(18.0) };
            self.schedule(day + wait as u32, customer, Deed::Purchase { is_first: true });
        } else {
            let comes = if person.source == people::LIST { 0.12 } else { 0.85 };
            if dice.chance(comes) {
                let left = dice.between(0, 3) as u8;
                self.schedule(day + dice.between(0, 8), customer, Deed::Visit { left });
            }
        }
        if person.source != people::LIST && dice.chance(0.15) {
            self.schedule(day + dice.between(0, 20), customer, Deed::Enquire);
        }
    }

    /// Writes the profile as it is now.
    pub(super) fn send_profile(&mut self, day: u32, customer: u32, second: u32) {
        let person = self.people[customer as usize];
        let at = self.calendar.instant_of_local(day, second);
        let created = self.calendar.instant_of_local(person.arrival.min(day), 8 * 3_600 + customer % 40_000);
        let state = ProfileState {
            source: person.source,
            persona: person.persona,
            may_contact: person.is(Is::Contactable),
            version: person.version,
            is_deleted: person.is(Is::Deleted),
            created_local: self.calendar.local(created),
            updated_local: self.calendar.local(at.max(created)),
        };
        let mut row = people::profile_row(self.seed, customer, state, at);
        row.facts[0] = Fact::Profile { customer, is_deleted: state.is_deleted };
        if person.is(Is::Scripted) {
            row.handling = Handling::Fixed;
        }
        self.send(Feed::Customers, day, row);
    }
}
