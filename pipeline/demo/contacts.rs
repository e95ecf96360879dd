//! Visits, enquiries, complaints and surveys, and what the company says to one customer.

use super::catalogue::Product;
use super::feeds::Feed;
use super::people::SOCIAL;
use super::population::Is;
use super::random::{Dice, Stream};
use super::record::Handling;
use super::rows::{self, Case, Message, Survey, Visit, Visitor};
use super::shopping::opening_hours;
use super::world::{Deed, World, next};

/// Exit reasons in customers' words, by the seed's reason; the last list is for other ones.
pub(super) const EXIT_REASONS: [&[&str]; 7] = [
    &["Customer deceased", "passed away"],
    &["moved abroad", "Moved away", "we have  moved house"],
    &["a friend advised another shop", "my accountant advised against it"],
    &["too expensive", "Better price elsewhere", "found a better offer"],
    &["poor quality", "BAD SERVICE", "late deliveries", "unhappy with the product"],
    &["never heard from you", "felt unappreciated ", "nobody cared"],
    &["no longer needed", "gave up the hobby", "prefer not to say"],
];
pub(super) const DISSATISFACTION: u8 = 4;

const NOTES: [&str; 6] = [
    "wants to know when it is back in stock",
    "asked twice, see above",
    "parcel arrived late, box damaged",
    "says: \"never again\"",
    "rang at noon\nrang again at four",
    "très déçue; call back",
];
const DEVICES: [&str; 3] = ["phone", "desktop", "tablet"];

/// One visit: its events as kind, product and content.
#[derive(Debug, Clone, Copy)]
struct Session<'a> {
    who: Visitor,
    events: &'a [(&'static str, Option<Product>, Option<u32>)],
    at: i64,
    campaign: Option<u32>,
    channel: &'static str,
}

impl World {
    /// Writes the events of one visit, a few seconds apart.
    fn attend(&mut self, day: u32, session: Session<'_>, dice: &mut Dice) {
        let device = dice.pick(&DEVICES);
        let mut at = session.at;
        for (kind, product, content) in session.events {
            let visit = Visit {
                event: next(&mut self.numbers.event),
                who: session.who,
                at,
                kind,
                channel: session.channel,
                product: *product,
                content: *content,
                campaign: session.campaign,
                seconds: dice.chance(0.8).then(|| dice.between(3, 400)),
                device,
            };
            self.send(Feed::Visits, day, rows::visit_row(visit));
            at += i64::from(dice.between(5, 90));
        }
    }

    /// A UTC second in the day; now and then so late that in summer it is already tomorrow in London.
    fn browsing_time(&self, day: u32, dice: &mut Dice) -> i64 {
        let second = if dice.chance(0.02) { dice.between(82_800, 85_500) } else { dice.between(25_200, 72_000) };
        self.calendar.instant(day, second)
    }

    pub(super) fn browse(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let at = self.browsing_time(day, dice);
        let content = dice.below(8);
        let events = [("visit", None, None), ("content_view", None, Some(content))];
        let count = 1 + usize::from(dice.chance(0.5));
        let session =
            Session { who: Visitor::Anonymous(customer), events: &events[..count], at, campaign: None, channel: "web" };
        self.attend(day, session, dice);
    }

    pub(super) fn visit(&mut self, day: u32, customer: u32, left: u8, dice: &mut Dice) {
        let person = self.people[customer as usize];
        if !person.is(Is::Alive) && person.purchases > 0 {
            return;
        }
        let at = self.browsing_time(day, dice);
        let product = Product::of(dice.below(12) as u8, dice.below(3) as u8, dice.chance(0.5));
        let mut events = match dice.weighted(&[0.3, 0.3, 0.3, 0.1]) {
            0 => vec![("visit", None, None)],
            1 => vec![("visit", None, None), ("content_view", None, Some(dice.below(16)))],
            2 => vec![("product_view", Some(product), None)],
            _ => vec![("product_view", Some(product), None), ("basket", Some(product), None)],
        };
        if person.is(Is::AppUser) {
            events.push(("app_use", None, None));
        }
        if person.purchases >= 3 && dice.chance(0.03) {
            events.push((if dice.chance(0.6) { "review" } else { "share" }, Some(product), None));
        }
        if person.purchases == 0 && dice.chance(0.06) {
            events.push(("newsletter_signup", None, None));
        }
        if person.is(Is::Contactable) && dice.chance(0.015) {
            events.push(("unsubscribe", None, None));
            self.people[customer as usize].set(Is::Contactable, false);
            self.send_profile(day, customer, 79_000);
        } else if dice.chance(0.015) {
            self.people[customer as usize].version = person.version.wrapping_add(1);
            self.send_profile(day, customer, 79_000);
        } else if dice.chance(0.002) {
            self.people[customer as usize].set(Is::Deleted, true);
            self.people[customer as usize].set(Is::Alive, false);
            self.send_profile(day, customer, 79_000);
        }
        let channel = if person.source == SOCIAL && dice.chance(0.5) { "social" } else { "web" };
        let session = Session { who: Visitor::Customer(customer), events: &events, at, campaign: None, channel };
        self.attend(day, session, dice);
        let is_engaged = person.is(Is::Buyer) && person.is(Is::Alive);
        if left > 0 || is_engaged {
            let mean = if is_engaged { 40.0 } else { 30.0 };
            let wait = 1 + dice.exponential(mean) as u32;
            self.schedule(day + wait, customer, Deed::Visit { left: left.saturating_sub(1) });
        }
    }

    pub(super) fn visit_before_order(
        &mut self,
        day: u32,
        customer: u32,
        at: i64,
        product: Option<Product>,
        campaign: Option<u32>,
        dice: &mut Dice,
    ) {
        if !dice.chance(0.6) {
            return;
        }
        let before = at - i64::from(dice.between(120, 1_500));
        let events = [("product_view", product, None), ("basket", product, None)];
        let count = 1 + usize::from(dice.chance(0.6));
        let session = Session {
            who: Visitor::Customer(customer),
            events: &events[..count],
            at: before,
            campaign,
            channel: "web",
        };
        self.attend(day, session, dice);
    }

    /// Writes a case into the log; it gets a number, and perhaps a note.
    pub(super) fn log_case(&mut self, day: u32, case: Case, dice: &mut Dice) {
        let note = dice.chance(0.35).then(|| dice.pick(&NOTES));
        let case = Case { case: next(&mut self.numbers.case), note, ..case };
        self.send(Feed::Service, day, rows::service_row(&self.calendar, case));
    }

    pub(super) fn enquire(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let subject = dice.pick(&["enquiry", "quote_request", "store_visit", "enquiry", "praise"]);
        let channel = if subject == "store_visit" { "store" } else { dice.pick(&["email", "phone", "social"]) };
        let at = self.calendar.instant_of_local(day, opening_hours(dice));
        self.log_case(day, Case { case: 0, customer, subject, product: None, note: None, at, channel }, dice);
        if self.people[customer as usize].is(Is::Alive) && dice.chance(0.3) {
            self.schedule(day + dice.between(10, 90), customer, Deed::Enquire);
        }
    }

    pub(super) fn complain(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let channel = dice.pick(&["email", "phone", "phone", "social", "store"]);
        let at = self.calendar.instant_of_local(day, opening_hours(dice));
        let case = Case { case: 0, customer, subject: "complaint", product: None, note: None, at, channel };
        self.log_case(day, case, dice);
        if dice.chance(0.8) {
            self.schedule(day + dice.between(1, 4), customer, Deed::Answer);
        }
        if dice.chance(0.3) {
            self.schedule(day + dice.between(2, 6), customer, Deed::Csat);
        }
        if self.people[customer as usize].is(Is::Alive) && dice.chance(0.35) {
            self.drop_out(day, customer, DISSATISFACTION, dice);
        }
    }

    /// Sends one message; of the answers, some come a few days later, as a new version of the same message.
    pub(super) fn tell(&mut self, day: u32, message: Message, dice: &mut Dice) {
        let message = Message { message: next(&mut self.numbers.message), ..message };
        if message.response != "none" && dice.chance(0.2) {
            let mut first = rows::message_row(Message { response: "none", answer_value: None, ..message });
            // A delayed first version would win over the answer.
            first.handling = Handling::Fixed;
            self.send(Feed::Messages, day, first);
            self.send_again(Feed::Messages, day + dice.between(1, 3), rows::message_row(message));
        } else {
            self.send(Feed::Messages, day, rows::message_row(message));
        }
    }

    /// A message of no campaign, if the company talks to this customer at all.
    pub(super) fn tell_personally(&mut self, day: u32, customer: u32, kind: &'static str, dice: &mut Dice) {
        let person = self.people[customer as usize];
        if person.is(Is::Neglected) || !person.is(Is::Contactable) {
            return;
        }
        let channel = if kind == "complaint_reply" || kind == "care_call" { "phone" } else { "email" };
        let response = ["positive", "negative", "later", "none"][dice.weighted(&[0.10, 0.02, 0.02, 0.86])];
        let at = self.calendar.instant(day, dice.between(32_400, 57_600));
        self.tell(
            day,
            Message {
                message: 0,
                customer,
                at,
                kind,
                channel,
                campaign: None,
                content: None,
                response,
                answer_value: None,
            },
            dice,
        );
    }

    pub(super) fn answer_complaint(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        self.tell_personally(day, customer, "complaint_reply", dice);
    }

    pub(super) fn thank(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        self.tell_personally(day, customer, "thank_you", dice);
        if dice.chance(0.1) {
            self.tell_personally(day, customer, "care_call", dice);
        }
    }

    fn survey(&mut self, day: u32, survey: Survey) {
        let survey = Survey { response: next(&mut self.numbers.response), ..survey };
        self.send(Feed::Surveys, day, rows::survey_row(survey));
    }

    pub(super) fn ask_nps(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let person = self.people[customer as usize];
        // Who stays is content, mostly.
        let score = if person.is(Is::Alive) {
            10 - dice.weighted(&[3.0, 3.0, 2.0, 1.5, 0.8, 0.6, 0.4])
        } else {
            dice.below(8) as usize
        };
        let at = self.calendar.instant(day, dice.between(28_800, 68_000));
        let touchpoint = Some(dice.pick(&["web", "store", "delivery"]));
        self.survey(
            day,
            Survey { response: 0, customer, at, kind: "nps", score: Some(score as u32), reason: None, touchpoint },
        );
    }

    pub(super) fn ask_csat(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let score = if self.people[customer as usize].is(Is::Alive) { dice.between(2, 5) } else { dice.between(1, 3) };
        let at = self.calendar.instant(day, dice.between(28_800, 68_000));
        self.survey(
            day,
            Survey {
                response: 0,
                customer,
                at,
                kind: "csat",
                score: Some(score),
                reason: None,
                touchpoint: Some("service"),
            },
        );
    }

    pub(super) fn say_goodbye(&mut self, day: u32, customer: u32, reason: u8, dice: &mut Dice) {
        let words = dice.pick(EXIT_REASONS[usize::from(reason) % EXIT_REASONS.len()]);
        let at = self.calendar.instant(day, dice.between(28_800, 68_000));
        self.survey(
            day,
            Survey { response: 0, customer, at, kind: "exit", score: None, reason: Some(words), touchpoint: None },
        );
    }

    /// Visitors who never say who they are.
    pub(super) fn meet_strangers(&mut self, day: u32) {
        let mut dice = Dice::new(self.seed, Stream::Strangers, u64::from(day), 0);
        let mean = f64::from(self.customers) * 0.4 / f64::from(self.days);
        let mean = mean * 2.0 * dice.share();
        for _ in 0..dice.count(mean) {
            let visitor = self.people.len() as u32 + next(&mut self.numbers.stranger);
            let at = self.browsing_time(day, &mut dice);
            let events = [("visit", None, None), ("content_view", None, Some(dice.below(4)))];
            let count = 1 + usize::from(dice.chance(0.4));
            let channel = if dice.chance(0.2) { "social" } else { "web" };
            let session =
                Session { who: Visitor::Anonymous(visitor), events: &events[..count], at, campaign: None, channel };
            self.attend(day, session, &mut dice);
        }
    }
}
