//! Every row of the published marts against an independent computation: plain Rust over the staged facts, written from the
//! definitions of the tables and not from their SQL.
//!
//! Two runs of one demo business are compared: the one of the demo itself, with default parameters, and one of an earlier
//! day with other parameters, which must not see the facts that came later. Only the parameters of the fitted models are
//! taken from the published tables; what follows from them is computed here. `LIFECYCLE_INDEPENDENT_SEED` makes another
//! business than the usual one.

mod actions;
mod campaigns;
mod churn;
mod cohorts;
mod compare;
mod customers;
mod facts;
mod funnel;
mod kpis;
mod leads;
mod load;
mod matrix;
mod models;
mod moments;
mod places;
mod propensities;
mod purchase_models;
mod referrals;
mod seconds;
mod segments;
mod stages;
mod value;

use std::collections::BTreeSet;

use chrono::NaiveDate;

use self::compare::{Cell, Expected, compare};
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
    pub movement_days: i64,
    pub conversion_days: i64,
    pub lead_half_life_days: i64,
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

fn values(expected: &Expected, column: &str) -> BTreeSet<String> {
    let texts = expected.rows.iter().filter_map(|row| match &row[column] {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn assert_all(run: &Run, expected: &Expected, column: &str, wanted: &[&str]) {
    let found = values(expected, column);
    let missing: Vec<&&str> = wanted.iter().filter(|value| !found.contains(**value)).collect();
    assert!(missing.is_empty(), "{}: no {column} {missing:?}, only {found:?}: choose other demo data", run.name);
}

#[test]
fn the_comparison_reports_every_kind_of_difference() {
    let row = |id: &str, count: i64| compare::Row::from([("id", id.into()), ("count", count.into())]);
    let expected = || Expected { grain: &["id"], rows: vec![row("a", 1), row("b", 2), row("c", 3)] };
    let published = |text: &str| serde_json::from_str::<load::Rows>(text).unwrap();
    let same = published(r#"[{"id":"b","count":2},{"id":"a","count":1},{"id":"c","count":3}]"#);
    assert_eq!(compare("a run", "some_table", &same, expected()), Ok(()));
    let other = published(
        r#"[{"id":"a","count":1,"share":0.5},{"id":"b","count":null},{"id":"d","count":4},{"id":"d","count":4}]"#,
    );
    let report = compare("a run", "some_table", &other, expected()).unwrap_err();
    for line in [
        "marts.some_table: 5 differences in 2 compared of 4 published and 3 expected rows",
        "a: column share is published, not expected",
        "b: count is null, expected 2",
        "c: expected, not published",
        "d: published, not expected",
        "d: published twice",
    ] {
        assert!(report.contains(line), "{line} is missing in:\n{report}");
    }
}

#[test]
fn the_facts_have_every_case_that_matters() {
    for run in runs() {
        let facts = &run.facts;
        assert!(facts.buyers.len() > 100, "{}: {} buyers", run.name, facts.buyers.len());
        assert!(facts.identities.merged > 10, "{}: {} merged ids", run.name, facts.identities.merged);
        let lines = || facts.buyers.values().flat_map(|buyer| &buyer.lines);
        assert!(lines().any(|line| line.quantity < 0), "{}: no returns", run.name);
        assert_all(run, &churn::churn(run), "category", &["account", "product", "spend", "none"]);
        assert_all(run, &churn::churn(run), "reason_source", &["stated", "inferred", "unknown"]);
        assert_all(run, &matrix::customer_matrix(run), "direction", &["up", "down", "aged", "same", "new"]);
        assert_all(run, &value::customer_value(run), "value_tier", &["vip", "core", "low"]);
        assert_all(run, &cohorts::cohort_retention(run), "segment", &["all", "(none)", "referral"]);
        assert_all(run, &stages::stages(run), "stage", &["suspect", "prospect", "new", "repeat", "advocate"]);
        assert_all(run, &leads::scores(run), "grade", &["C", "D", "E"]);
        assert_all(run, &funnel::movements(run), "from_stage", &["(none)", "suspect", "prospect", "new", "repeat"]);
        assert_all(
            run,
            &actions::next_best_actions(run),
            "action",
            &[
                "ask_for_referral",
                "complaint_follow_up",
                "contact_later_due",
                "cross_sell",
                "say_welcome_back",
                "second_purchase_window",
                "thank_you",
                "unappreciated_risk",
                "win_back",
            ],
        );
        let program = &referrals::roi(run).rows[0];
        for column in ["converted", "open", "duplicates", "excluded_self", "excluded_circle"] {
            assert_ne!(program[column], Cell::Integer(0), "{}: no {column}", run.name);
        }
    }
    assert!(
        runs()[0].facts.buyers.len() > runs()[1].facts.buyers.len(),
        "the earlier run sees the buyers of the later one"
    );
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
fn campaign_performance_is_what_the_facts_say() {
    assert_same("campaign_performance", campaigns::campaign_performance);
}

#[test]
fn second_purchase_is_what_the_facts_say() {
    assert_same("second_purchase", seconds::second_purchase);
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

#[test]
fn stage_funnel_is_what_the_facts_say() {
    assert_same("stage_funnel", funnel::funnel);
}

#[test]
fn stage_movements_are_what_the_facts_say() {
    assert_same("stage_movements", funnel::movements);
}

#[test]
fn lead_scores_are_what_the_facts_say() {
    assert_same("lead_scores", leads::scores);
}

#[test]
fn lead_score_bands_are_what_the_facts_say() {
    assert_same("lead_score_bands", leads::bands);
}

#[test]
fn propensities_are_what_the_facts_say() {
    assert_same("propensities", propensities::propensities);
}

#[test]
fn propensity_models_are_what_the_facts_say() {
    assert_same("propensity_models", propensities::models);
}

#[test]
fn propensity_deciles_are_what_the_facts_say() {
    assert_same("propensity_deciles", propensities::deciles);
}

#[test]
fn kpis_are_what_the_facts_say() {
    assert_same("kpis", kpis::kpis);
}

#[test]
fn next_best_actions_are_what_the_facts_say() {
    assert_same("next_best_actions", actions::next_best_actions);
}
