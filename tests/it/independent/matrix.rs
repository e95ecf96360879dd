//! customer_matrix, its cells and its moves.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::Facts;
use super::load::Run;
use super::models::Models;
use super::moments::{ceiling, in_window, months_between, plus};
use super::referrals::outcomes;
use super::value::costs;

#[derive(Clone)]
struct Position {
    band: String,
    strength: i64,
    score: Option<f64>,
}

impl Position {
    fn cell(&self) -> String {
        format!("{} / {}", self.band, self.strength)
    }
}

/// Customer and moment of every act of advocacy up to a day.
pub fn advocacy(facts: &Facts, cut: NaiveDate) -> Vec<(String, DateTime<Utc>)> {
    let mut acts = Vec::new();
    for outcome in outcomes(facts, cut).iter().filter(|outcome| outcome.is_converted) {
        let friend = &facts.buyers[&outcome.referral.referred];
        acts.push((outcome.referral.referrer.clone(), friend.purchases[0].1));
    }
    let surveys = facts.surveys.iter().filter(|survey| survey.day <= cut && survey.kind == "nps");
    for survey in surveys.filter(|survey| survey.score.is_some_and(|score| score >= 9.0)) {
        acts.push((survey.customer.clone(), survey.at));
    }
    for interaction in facts.interactions.iter().filter(|fact| fact.day <= cut && fact.is_advocacy) {
        acts.push((interaction.customer.clone(), interaction.at));
    }
    acts
}

/// How many values are below each value: its percent rank in whole numbers.
fn ranks(values: &BTreeMap<&str, i64>) -> BTreeMap<String, i64> {
    let below = |value: i64| values.values().filter(|other| **other < value).count() as i64;
    values.iter().map(|(id, value)| ((*id).to_owned(), below(*value))).collect()
}

/// Where every buyer of the facts up to a day stands on it.
fn positions(facts: &Facts, cut: NaiveDate) -> BTreeMap<String, Position> {
    let buyers: Vec<&str> =
        facts.buyers.iter().filter(|(_, buyer)| buyer.first() <= cut).map(|(id, _)| id.as_str()).collect();
    let none: BTreeMap<&str, i64> = buyers.iter().map(|id| (*id, 0)).collect();
    let (mut days, mut products, mut inbound, mut advocated) = (none.clone(), none.clone(), none.clone(), none);
    for id in &buyers {
        let buyer = &facts.buyers[*id];
        let purchases = buyer.purchases.iter().filter(|purchase| in_window(purchase.0, cut, 365));
        days.insert(id, purchases.count() as i64);
        let lines = buyer.lines.iter().filter(|line| line.quantity > 0 && in_window(line.day, cut, 365));
        let distinct: std::collections::BTreeSet<_> = lines.filter_map(|line| line.product.as_ref()).collect();
        products.insert(id, distinct.len() as i64);
    }
    for interaction in facts.interactions.iter().filter(|fact| fact.is_inbound && in_window(fact.day, cut, 90)) {
        if let Some(count) = inbound.get_mut(interaction.customer.as_str()) {
            *count += 1;
        }
    }
    let acts = advocacy(facts, cut);
    for (id, _) in &acts {
        if let Some(count) = advocated.get_mut(id.as_str()) {
            *count += 1;
        }
    }
    let components: Vec<BTreeMap<String, i64>> = [days, products, inbound, advocated]
        .iter()
        .filter(|values| values.values().any(|value| *value != 0))
        .map(ranks)
        .collect();
    let sums: BTreeMap<&str, i64> =
        buyers.iter().map(|id| (*id, components.iter().map(|ranks| ranks[*id]).sum())).collect();
    let others = buyers.len() as i64 - 1;
    let of_sums = ranks(&sums);
    let position = |id: &&str| {
        let months = months_between(facts.buyers[*id].first(), cut);
        let band = facts
            .tenure_bands
            .iter()
            .find(|(_, from, to)| *from <= months && to.is_none_or(|to| months < to))
            .unwrap_or_else(|| panic!("no band for {months} months"));
        let place = sums[*id] as f64;
        let score = match (components.len(), others) {
            (0, _) => None,
            (_, 0) => Some(0.0),
            (count, others) => Some(place / (count as i64 * others) as f64),
        };
        let strength = if others == 0 { 1 } else { ceiling(5 * of_sums[*id], others).max(1) };
        ((*id).to_owned(), Position { band: band.0.clone(), strength, score })
    };
    buyers.iter().map(position).collect()
}

/// Every customer's position, with the one before.
fn both(facts: &Facts) -> BTreeMap<String, (Position, Option<Position>)> {
    let mut before = positions(facts, plus(facts.as_of(), -facts.parameters.matrix_compare_days));
    let now = positions(facts, facts.as_of());
    now.into_iter().map(|(id, position)| (id.clone(), (position, before.remove(&id)))).collect()
}

fn predicted_spend(models: &Models<'_>, facts: &Facts, id: &str) -> f64 {
    let buyer = &facts.buyers[id];
    models.expected_purchases(buyer, 365.0) * models.expected_value(buyer)
}

pub fn customer_matrix(run: &Run) -> Expected {
    let facts = &run.facts;
    let models = Models::new(run);
    let longest = &facts.tenure_bands[facts.tenure_bands.len() - 1].0;
    let rows = both(facts).into_iter().map(|(id, (now, before))| {
        let direction = match &before {
            None => "new",
            Some(before) if now.strength > before.strength => "up",
            Some(before) if now.strength < before.strength => "down",
            Some(before) if now.band != before.band => "aged",
            Some(_) => "same",
        };
        Row::from([
            ("customer_id", id.as_str().into()),
            ("tenure_band", now.band.as_str().into()),
            ("strength", now.strength.into()),
            ("strength_score", now.score.map_or(Cell::Null, Cell::Ratio)),
            ("cell", now.cell().into()),
            ("cell_before", before.as_ref().map(Position::cell).into()),
            ("direction", direction.into()),
            ("predicted_spend", Cell::Modelled(predicted_spend(&models, facts, &id))),
            ("is_top_cell", (now.band == *longest && now.strength == 5).into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

#[derive(Default)]
struct Sums {
    customers: i64,
    revenue: i64,
    margin: i64,
    cost: i64,
    predicted: f64,
    moved_in: i64,
    moved_out: i64,
}

pub fn cells(run: &Run) -> Expected {
    let facts = &run.facts;
    let models = Models::new(run);
    let is_recent = |day| in_window(day, facts.as_of(), 365);
    let costs = costs(facts, is_recent);
    let mut cells: BTreeMap<String, Sums> = BTreeMap::new();
    for (id, (now, before)) in both(facts) {
        let (revenue, margin) = facts.buyers[&id].money(is_recent);
        let (serving, marketing) = costs.get(&id).copied().unwrap_or_default();
        let moved_from = before.map(|before| before.cell()).filter(|cell| *cell != now.cell());
        let sums = cells.entry(now.cell()).or_default();
        sums.customers += 1;
        sums.revenue += revenue;
        sums.margin += margin;
        sums.cost += serving + marketing;
        sums.predicted += predicted_spend(&models, facts, &id);
        if let Some(cell) = moved_from {
            sums.moved_in += 1;
            cells.entry(cell).or_default().moved_out += 1;
        }
    }
    let (margin, revenue) = facts.margin_rate();
    let rate = margin as f64 / revenue as f64;
    let mut rows = Vec::new();
    for (band, _, _) in &facts.tenure_bands {
        for strength in 1..=5 {
            let cell = Position { band: band.clone(), strength, score: None }.cell();
            let sums = cells.remove(&cell).unwrap_or_default();
            let cost = sums.cost as f64 / 100.0;
            let predicted_roi = (sums.cost != 0).then(|| (sums.predicted * rate - cost) / cost);
            rows.push(Row::from([
                ("cell", cell.into()),
                ("tenure_band", band.as_str().into()),
                ("strength", strength.into()),
                ("customers", sums.customers.into()),
                ("revenue_12m", Cell::Money(sums.revenue)),
                ("margin_12m", Cell::Money(sums.margin)),
                ("predicted_spend", Cell::Modelled(sums.predicted)),
                ("cost_12m", Cell::Money(sums.cost)),
                ("roi", ratio(sums.margin - sums.cost, sums.cost)),
                ("predicted_roi", predicted_roi.map_or(Cell::Null, Cell::Modelled)),
                ("moved_in", sums.moved_in.into()),
                ("moved_out", sums.moved_out.into()),
            ]));
        }
    }
    Expected { grain: &["cell"], rows }
}

pub fn moves(run: &Run) -> Expected {
    let mut moves: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (now, before) in both(&run.facts).into_values() {
        if let Some(before) = before {
            *moves.entry((before.cell(), now.cell())).or_default() += 1;
        }
    }
    let rows = moves.into_iter().map(|((from, to), customers)| {
        Row::from([("from_cell", from.into()), ("to_cell", to.into()), ("customers", customers.into())])
    });
    Expected { grain: &["from_cell", "to_cell"], rows: rows.collect() }
}
