//! What the seeds say.

use std::collections::{BTreeMap, BTreeSet};

use super::load::Rows;
use super::moments::{cents, flag, text, whole};

/// What an interaction of a kind means.
#[derive(Clone, Copy, Default)]
pub struct Kind {
    pub lead_points: f64,
    pub is_advocacy: bool,
    pub is_complaint: bool,
    pub cost: i64,
}

pub struct Action {
    pub action: String,
    pub priority: i64,
    pub kind_when_done: String,
    pub due_after_days: i64,
    /// None: it stays open.
    pub expires_after_days: Option<i64>,
    pub cooldown_days: Option<i64>,
}

pub fn kinds(rows: &Rows) -> BTreeMap<String, Kind> {
    let kinds = rows.iter().map(|row| {
        let kind = Kind {
            lead_points: row["lead_points"].as_f64().unwrap_or(0.0),
            is_advocacy: flag(row, "is_advocacy"),
            is_complaint: flag(row, "is_complaint"),
            cost: cents(row, "cost").unwrap_or(0),
        };
        (text(row, "kind").unwrap(), kind)
    });
    kinds.collect()
}

pub fn actions(rows: &Rows) -> BTreeMap<String, Action> {
    let actions = rows.iter().map(|row| {
        let action = text(row, "action").unwrap();
        let days = |column: &str| whole(row, column);
        let action = Action {
            action,
            priority: days("priority").unwrap(),
            kind_when_done: text(row, "kind_when_done").unwrap(),
            due_after_days: days("due_after_days").unwrap(),
            expires_after_days: days("expires_after_days"),
            cooldown_days: days("cooldown_days"),
        };
        (action.action.clone(), action)
    });
    actions.collect()
}

/// The targets by metric and stage.
pub fn kpi_targets(rows: &Rows) -> BTreeMap<(String, String), f64> {
    let targets = rows
        .iter()
        .filter_map(|row| Some(((text(row, "metric").unwrap(), text(row, "stage").unwrap()), row["target"].as_f64()?)));
    targets.collect()
}

/// A text without blanks, in lower case.
pub fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect()
}

/// Reasons by plain text.
pub fn churn_reasons(rows: &Rows) -> BTreeMap<String, String> {
    pairs(rows, "text", "reason").into_iter().map(|(text, reason)| (plain(&text), reason)).collect()
}

pub fn pairs(rows: &Rows, key: &str, value: &str) -> BTreeMap<String, String> {
    rows.iter().filter_map(|row| Some((text(row, key)?, text(row, value)?))).collect()
}

/// Band, from and to, the lowest first; `unit` is months or years.
pub fn bands(rows: &Rows, unit: &str) -> Vec<(String, i64, Option<i64>)> {
    let (from, to) = (format!("from_{unit}"), format!("to_{unit}"));
    let mut bands: Vec<_> =
        rows.iter().map(|row| (text(row, "band").unwrap(), whole(row, &from).unwrap(), whole(row, &to))).collect();
    bands.sort_by_key(|band| band.1);
    bands
}

pub fn rfm_segments(rows: &Rows) -> Vec<(String, [(i64, i64); 3])> {
    let mut segments: Vec<_> = rows
        .iter()
        .map(|row| {
            let bounds = ["r", "f", "m"].map(|letter| {
                (whole(row, &format!("{letter}_from")).unwrap(), whole(row, &format!("{letter}_to")).unwrap())
            });
            (whole(row, "rank").unwrap(), text(row, "segment").unwrap(), bounds)
        })
        .collect();
    segments.sort();
    segments.into_iter().map(|(_, segment, bounds)| (segment, bounds)).collect()
}

pub fn stages(rows: &Rows) -> Vec<(i64, String)> {
    let stages: BTreeSet<_> =
        rows.iter().map(|row| (whole(row, "rank").unwrap(), text(row, "stage").unwrap())).collect();
    stages.into_iter().collect()
}
