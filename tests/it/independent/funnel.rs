//! stage_funnel and stage_movements.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::compare::{Cell, Expected, Row, ratio};
use super::load::Run;
use super::moments::{day_of, days_between, plus};
use super::stages::{place, reached, stages};

const ALL: &str = "all";
const NONE: &str = "(none)";

#[derive(Default)]
struct Step {
    advanced: i64,
    dropped_out: i64,
    still_in_stage: i64,
    days_to_advance: Vec<i64>,
}

impl Step {
    fn entered(&self) -> i64 {
        self.advanced + self.dropped_out + self.still_in_stage
    }

    fn median_days(&self) -> Cell {
        let mut days = self.days_to_advance.clone();
        days.sort_unstable();
        let middle = days.len() / 2;
        match days.len() {
            0 => Cell::Null,
            odd if odd % 2 == 1 => Cell::Ratio(days[middle] as f64),
            _ => Cell::Ratio((days[middle - 1] + days[middle]) as f64 / 2.0),
        }
    }
}

fn month(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| day_of(at).format("%Y-%m").to_string())
}

pub fn funnel(run: &Run) -> Expected {
    let facts = &run.facts;
    let dropped_out: BTreeSet<String> = stages(run)
        .rows
        .iter()
        .filter(|row| row["is_dropped_out"] == Cell::Flag(true))
        .filter_map(|row| match &row["customer_id"] {
            Cell::Text(id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    let mut steps: BTreeMap<(usize, String, String), Step> = BTreeMap::new();
    for place in 0..facts.stages.len() {
        let sources = facts.known.keys().map(|id| facts.acquisition_source(id)).chain([ALL.to_owned()]);
        steps.extend(sources.map(|source| ((place, source, ALL.to_owned()), Step::default())));
    }
    for (id, entries) in reached(facts) {
        let source = facts.acquisition_source(id);
        for (place, at) in entries.iter().enumerate() {
            let next = entries.get(place + 1);
            for source in [&source, ALL] {
                for month in [&month(*at), ALL] {
                    let step = steps.entry((place, source.to_owned(), month.to_owned())).or_default();
                    match next {
                        Some(next) => {
                            step.advanced += 1;
                            let days = at.zip(*next).map(|(from, to)| days_between(day_of(from), day_of(to)));
                            step.days_to_advance.extend(days);
                        }
                        None if dropped_out.contains(id) => step.dropped_out += 1,
                        None => step.still_in_stage += 1,
                    }
                }
            }
        }
    }
    let rows = steps.into_iter().map(|((place, source, month), step)| {
        let (rank, stage) = &facts.stages[place];
        let is_last = place + 1 == facts.stages.len();
        Row::from([
            ("stage", stage.as_str().into()),
            ("stage_rank", (*rank).into()),
            ("acquisition_source", source.into()),
            ("entry_month", month.into()),
            ("entered", step.entered().into()),
            ("advanced", step.advanced.into()),
            ("dropped_out", step.dropped_out.into()),
            ("still_in_stage", step.still_in_stage.into()),
            ("advance_rate", if is_last { Cell::Null } else { ratio(step.advanced, step.entered()) }),
            ("median_days_to_advance", step.median_days()),
        ])
    });
    Expected { grain: &["stage", "acquisition_source", "entry_month"], rows: rows.collect() }
}

pub fn movements(run: &Run) -> Expected {
    let facts = &run.facts;
    let before = plus(facts.as_of(), -facts.parameters.movement_days);
    let mut moves: BTreeMap<(Option<usize>, usize), i64> = BTreeMap::new();
    let mut held: BTreeMap<usize, i64> = BTreeMap::new();
    for (id, entries) in reached(facts) {
        let is_known = facts.is_known(id, before);
        let from = place(&entries, before).or(is_known.then_some(0));
        *moves.entry((from, entries.len() - 1)).or_default() += 1;
        if let Some(from) = from {
            *held.entry(from).or_default() += 1;
        }
    }
    let gone = moves.into_iter().filter(|((from, to), _)| *from != Some(*to));
    let rows = gone.map(|((from, to), customers)| {
        let base = from.map(|from| held[&from]);
        Row::from([
            ("from_stage", from.map_or(NONE, |from| facts.stages[from].1.as_str()).into()),
            ("to_stage", facts.stages[to].1.as_str().into()),
            ("from_rank", from.map(|from| facts.stages[from].0).into()),
            ("to_rank", facts.stages[to].0.into()),
            ("customers", customers.into()),
            ("customers_before", base.into()),
            ("share", base.map_or(Cell::Null, |base| ratio(customers, base))),
        ])
    });
    Expected { grain: &["from_stage", "to_stage"], rows: rows.collect() }
}
