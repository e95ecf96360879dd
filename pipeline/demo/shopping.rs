//! Orders and returns, and what a purchase leads to.

use super::calendar::HIGHEST_SEASON;
use super::catalogue::Product;
use super::feeds::Feed;
use super::people::{self, STORE};
use super::population::{Customer, Is};
use super::random::{Dice, Stream};
use super::rows::{self, Case, OrderLine, Referral};
use super::world::{Deed, World, next};

/// A line before it has numbers.
#[derive(Debug, Clone, Copy)]
struct Item {
    product: Product,
    quantity: i64,
    cents: i64,
}

/// What the lines of an order have in common.
#[derive(Debug, Clone, Copy)]
struct Sale {
    order: u32,
    customer: Option<u32>,
    at: i64,
    channel: &'static str,
}

impl World {
    pub(super) fn purchase(&mut self, day: u32, customer: u32, is_first: bool, dice: &mut Dice) {
        let person = self.people[customer as usize];
        if !person.is(Is::Alive) {
            return;
        }
        // Purchases are drawn at the rate of the busiest day; other days let some of them pass by.
        if !is_first && !dice.chance(self.calendar.season(day) / HIGHEST_SEASON) {
            self.schedule_next(day, customer, dice);
            return;
        }
        self.buy(day, customer, None, dice);
        self.after_purchase(day, customer, dice);
    }

    pub(super) fn campaign_purchase(&mut self, day: u32, customer: u32, campaign: u16, dice: &mut Dice) {
        let is_new = self.people[customer as usize].purchases == 0;
        let named = dice.chance(0.7).then_some(u32::from(campaign));
        self.buy(day, customer, named, dice);
        if is_new {
            self.people[customer as usize].set(Is::Buyer, true);
            self.after_purchase(day, customer, dice);
        }
    }

    fn schedule_next(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let rate = f64::from(self.people[customer as usize].rate) * HIGHEST_SEASON;
        // At least a day: two orders of one day would be one purchase day.
        let wait = 1 + dice.exponential(1.0 / rate).min(1e6) as u32;
        self.schedule(day + wait, customer, Deed::Purchase { is_first: false });
    }

    fn buy(&mut self, day: u32, customer: u32, campaign: Option<u32>, dice: &mut Dice) {
        let person = self.people[customer as usize];
        let is_store = dice.chance(if person.source == STORE { 0.75 } else { 0.12 });
        let channel = match is_store {
            true => "store",
            false if dice.chance(0.1) => "phone",
            false => "web",
        };
        let items = fill_basket(&person, day, dice);
        let at = self.calendar.instant_of_local(day, opening_hours(dice));
        let sale = Sale { order: next(&mut self.numbers.order), customer: Some(customer), at, channel };
        let email = (channel == "web" && dice.chance(0.6)).then(|| people::email(self.seed, customer));
        for (line, item) in (1..).zip(&items) {
            let row = self.order_line(day, sale, line, *item, dice);
            let row = OrderLine { campaign, email: email.clone(), ..row };
            self.send(Feed::Orders, day, rows::order_row(&self.calendar, row));
        }
        if channel == "web" {
            self.visit_before_order(day, customer, at, items.first().map(|item| item.product), campaign, dice);
        }
        let person = &mut self.people[customer as usize];
        person.purchases = person.purchases.saturating_add(1);
        person.last_purchase = day + 1;
        // A duplicate's return could fall on a purchase day of the other number, and make it none.
        let has_duplicate = person.is(Is::Duplicate)
            || self.people.get(customer as usize + 1).is_some_and(|other| other.is(Is::Duplicate));
        if let Some(item) = items.first()
            && item.cents > 0
            && !has_duplicate
            && dice.chance(0.05)
        {
            let (quantity, cents) = (item.quantity as u8, u32::try_from(item.cents).unwrap_or(0));
            let deed = Deed::Return { product: item.product, quantity, cents };
            self.schedule(day + dice.between(3, 20), customer, deed);
        }
    }

    fn order_line(&self, day: u32, sale: Sale, line: u32, item: Item, dice: &mut Dice) -> OrderLine {
        let cost = item.product.cost_cents(day).filter(|_| dice.chance(0.92));
        OrderLine {
            order: sale.order,
            line,
            customer: sale.customer,
            email: None,
            product: item.product,
            quantity: item.quantity,
            cents: item.cents,
            margin_cents: cost.map(|cost| item.cents - cost * item.quantity),
            campaign: None,
            gift_wrap: dice.chance(0.1),
            at: sale.at,
            channel: sale.channel,
            is_void: false,
        }
    }

    fn after_purchase(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let person = self.people[customer as usize];
        let is_first = person.purchases <= 1;
        if dice.chance(0.05) {
            self.schedule(day + dice.between(1, 6), customer, Deed::Complain);
        }
        if dice.chance(0.08) {
            self.schedule(day + dice.between(2, 10), customer, Deed::Nps);
        }
        if is_first && dice.chance(0.75) {
            self.schedule(day + dice.between(1, 5), customer, Deed::Thank);
        }
        if person.purchases >= 2 && dice.chance(0.09) {
            self.refer_friend(day, customer, dice);
        }
        // Who does not form the habit of a second purchase is more likely to be gone.
        let first_loss = if is_first && !person.is(Is::Habit) { 1.8 } else { 1.0 };
        if dice.chance(f64::from(person.dropout) * first_loss) {
            self.drop_out(day, customer, 7, dice);
        } else {
            if is_first && person.is(Is::Habit) {
                self.schedule(day + dice.between(33, 55), customer, Deed::Purchase { is_first: true });
            } else {
                self.schedule_next(day, customer, dice);
            }
            if person.purchases <= 1 || dice.chance(0.3) {
                self.schedule(day + dice.between(1, 30), customer, Deed::Visit { left: u8::from(dice.chance(0.5)) });
            }
        }
    }

    /// The customer is gone; some say why, in the days after. `reason` 7: any.
    pub(super) fn drop_out(&mut self, day: u32, customer: u32, reason: u8, dice: &mut Dice) {
        self.people[customer as usize].set(Is::Alive, false);
        if dice.chance(0.2) {
            let neglected = self.people[customer as usize].is(Is::Neglected);
            let any = if neglected { 5 } else { dice.weighted(&[0.3, 1.5, 1.0, 2.5, 1.0, 0.5, 2.0]) as u8 };
            let reason = if reason < 7 { reason } else { any };
            self.schedule(day + dice.between(10, 40), customer, Deed::Exit { reason });
        }
    }

    /// Hands the shop's card to the next person on the list who has not come yet.
    fn refer_friend(&mut self, day: u32, customer: u32, dice: &mut Dice) {
        let person = self.people[customer as usize];
        if person.is(Is::Duplicate) || self.people.get(customer as usize + 1).is_some_and(|c| c.is(Is::Duplicate)) {
            return;
        }
        let source = dice.pick(&["email", "social", "card", "app"]);
        let second = opening_hours(dice);
        let is_again = dice.chance(0.06);
        let Some(friend) = self.find_friend(day, is_again) else { return };
        self.people[friend as usize].set(Is::Referred, true);
        let referral = Referral {
            number: next(&mut self.numbers.referral),
            from: customer,
            to: friend,
            source,
            reward_cents: 500,
            at: self.calendar.instant_of_local(day, second),
        };
        self.send(Feed::Referrals, day, rows::referral_row(&self.calendar, referral));
    }

    /// Someone who comes by referral within the next weeks; `is_again`: the last one found, if still to come.
    fn find_friend(&mut self, day: u32, is_again: bool) -> Option<u32> {
        let is_near = |person: &Customer| person.arrival > day && person.arrival <= day + 40;
        if is_again && self.next_friend > 0 {
            let last = self.next_friend - 1;
            let person = self.people.get(last as usize)?;
            return (is_near(person) && person.is(Is::Referred)).then_some(last);
        }
        while let Some(person) = self.people.get(self.next_friend as usize) {
            if person.arrival > day + 40 {
                return None;
            }
            self.next_friend += 1;
            let has_duplicate = self.people.get(self.next_friend as usize).is_some_and(|other| other.is(Is::Duplicate));
            let is_free = person.source == people::REFERRAL && !person.is(Is::Scripted) && !has_duplicate;
            if is_free && is_near(person) {
                return Some(self.next_friend - 1);
            }
        }
        None
    }

    pub(super) fn give_back(
        &mut self,
        day: u32,
        customer: u32,
        product: Product,
        quantity: u8,
        cents: u32,
        dice: &mut Dice,
    ) {
        if self.people[customer as usize].last_purchase == day + 1 {
            // Someone who buys today brings it back tomorrow: a day is a purchase or a return.
            self.schedule(day + 1, customer, Deed::Return { product, quantity, cents });
            return;
        }
        let at = self.calendar.instant_of_local(day, opening_hours(dice));
        let item = Item { product, quantity: -i64::from(quantity), cents: -i64::from(cents) };
        let channel = dice.pick(&["web", "store"]);
        let sale = Sale { order: next(&mut self.numbers.order), customer: Some(customer), at, channel };
        let row = self.order_line(day, sale, 1, item, dice);
        self.send(Feed::Orders, day, rows::order_row(&self.calendar, OrderLine { gift_wrap: false, ..row }));
        let subject = "return_request";
        let case = Case { case: 0, customer, subject, product: Some(product), note: None, at, channel: "phone" };
        self.log_case(day, case, dice);
    }

    /// Sales to people who do not say who they are.
    pub(super) fn sell_over_the_counter(&mut self, day: u32) {
        let mut dice = Dice::new(self.seed, Stream::Strangers, u64::from(day), 1);
        let mean = f64::from(self.customers) / 2_500.0 * self.calendar.season(day);
        let mean = mean * 2.0 * dice.share();
        for _ in 0..dice.count(mean) {
            let person = Customer::stranger();
            let at = self.calendar.instant_of_local(day, opening_hours(&mut dice));
            let sale = Sale { order: next(&mut self.numbers.order), customer: None, at, channel: "store" };
            for (line, item) in (1..).zip(fill_basket(&person, day, &mut dice)) {
                let row = self.order_line(day, sale, line, item, &mut dice);
                self.send(Feed::Orders, day, rows::order_row(&self.calendar, row));
            }
        }
    }
}

/// A second of the day in London: 08:00 to 22:00, and now and then just before midnight.
pub(super) fn opening_hours(dice: &mut Dice) -> u32 {
    if dice.chance(0.01) { dice.between(23 * 3_600, 24 * 3_600 - 1) } else { dice.between(8 * 3_600, 22 * 3_600) }
}

/// What an order holds: gamma spend around the customer's mean, in goods of their taste.
fn fill_basket(person: &Customer, day: u32, dice: &mut Dice) -> Vec<Item> {
    if dice.chance(0.004) {
        // A sample: free, and a purchase all the same.
        return vec![Item { product: Product::unsorted(1), quantity: 1, cents: 0 }];
    }
    let has_turned = day >= person.turning_day;
    let shrinks = has_turned && person.is(Is::Saving);
    let mean = f64::from(person.mean_cents) * if shrinks { 0.5 } else { 1.0 };
    let spend = dice.gamma(6.0, mean / 6.0);
    let mut tastes: Vec<u8> = (0..12).filter(|taste| person.tastes >> taste & 1 == 1).collect();
    if has_turned && person.is(Is::Narrowing) {
        tastes.truncate(tastes.len().div_ceil(2));
    }
    let lines = dice.between(1, 3).min(tastes.len().max(1) as u32);
    let share = spend / f64::from(lines);
    let tier = match share {
        ..1_500.0 => 0,
        1_500.0..4_000.0 => 1,
        _ => 2,
    };
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..lines {
        let product = if tastes.is_empty() || dice.chance(0.02) {
            Product::unsorted(dice.below(3) as u8)
        } else {
            Product::of(dice.pick(&tastes), tier, dice.chance(0.4))
        };
        let price = product.price_cents(day);
        let quantity = ((share / price as f64).round() as i64).clamp(1, 12);
        let percent = [100, 90, 85, 75][dice.weighted(&[0.7, 0.15, 0.1, 0.05])];
        items.push(Item { product, quantity, cents: (price * quantity * percent + 50) / 100 });
    }
    items
}
