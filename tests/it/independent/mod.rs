//! Every row of the published marts against an independent computation: plain Rust over the staged facts, written from the
//! definitions of the tables and not from their SQL.
//!
//! Two runs of one demo business are compared: the one of the demo itself, with default parameters, and one of an earlier
//! day with other parameters, which must not see the facts that came later. Only the parameters of the fitted models are
//! taken from the published tables; what follows from them is computed here.

mod churn;
mod cohorts;
mod compare;
mod customers;
mod facts;
mod load;
mod matrix;
mod models;
mod moments;
mod referrals;
mod stages;
mod value;

use chrono::NaiveDate;

use self::compare::{Expected, compare};
use self::load::{Run, runs};

/// What the runs are asked to compute, with exact whole-number rates.
#[derive(Clone)]
pub struct Parameters {
    pub as_of: NaiveDate,
    pub churn_window_days: i64,
    /// Thousandths.
    pub churn_spend_drop: i64,
    /// Thousandths.
    pub default_margin_rate: i64,
    pub referral_days: i64,
    pub referral_goal_weeks: i64,
    pub referral_goal_start: Option<NaiveDate>,
    /// Thousandths.
    pub referral_goal: i64,
    pub matrix_compare_days: i64,
    /// Thousandths.
    pub vip_share: i64,
    /// Thousandths.
    pub low_share: i64,
}

fn assert_same(table: &str, expected: impl Fn(&Run) -> Expected) {
    let reports: Vec<String> =
        runs().iter().filter_map(|run| compare(run.name, table, &run.published(table), expected(run)).err()).collect();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
}

#[test]
fn both_runs_have_what_the_comparison_is_about() {
    for run in runs() {
        let facts = &run.facts;
        assert!(facts.buyers.len() > 100, "{}: {} buyers", run.name, facts.buyers.len());
        assert!(facts.identities.merged > 10, "{}: {} merged ids", run.name, facts.identities.merged);
    }
}

#[test]
fn customer_value_is_what_the_facts_say() {
    assert_same("customer_value", value::customer_value);
}

#[test]
fn the_fitted_models_are_maxima() {
    for run in runs() {
        models::assert_maxima(run);
    }
    assert_same("clv_model", models::clv_model);
}

#[test]
fn customer_matrix_is_what_the_facts_say() {
    assert_same("customer_matrix", matrix::customer_matrix);
}

#[test]
fn customer_matrix_cells_are_what_the_facts_say() {
    assert_same("customer_matrix_cells", matrix::cells);
}

#[test]
fn customer_matrix_moves_are_what_the_facts_say() {
    assert_same("customer_matrix_moves", matrix::moves);
}

#[test]
fn cohort_retention_is_what_the_facts_say() {
    assert_same("cohort_retention", cohorts::cohort_retention);
}

#[test]
fn churn_is_what_the_facts_say() {
    assert_same("churn", churn::churn);
}

#[test]
fn churn_summary_is_what_the_facts_say() {
    assert_same("churn_summary", churn::summary);
}

#[test]
fn referral_roi_is_what_the_facts_say() {
    assert_same("referral_roi", referrals::roi);
}

#[test]
fn referral_goal_is_what_the_facts_say() {
    assert_same("referral_goal", referrals::goal);
}

#[test]
fn stage_entries_are_what_the_facts_say() {
    assert_same("stage_entries", stages::entries);
}

#[test]
fn lifecycle_stages_are_what_the_facts_say() {
    assert_same("lifecycle_stages", stages::stages);
}
