//! Which models a selector means, and which value a parameter gets.

use lifecycle::config::*;

use super::{fixture, load};

/// order_lines reads customers; churn reads both.
struct Graph;

impl ModelGraph for Graph {
    fn inputs(&self, model: &TableName) -> Vec<TableName> {
        match model.table.as_str() {
            "churn" => vec![TableName::new("staging", "order_lines"), TableName::new("landed", "orders")],
            "order_lines" => vec![TableName::new("staging", "customers")],
            _ => Vec::new(),
        }
    }

    fn readers(&self, model: &TableName) -> Vec<TableName> {
        match model.table.as_str() {
            "customers" => vec![TableName::new("staging", "order_lines")],
            "order_lines" => vec![TableName::new("marts", "churn")],
            _ => Vec::new(),
        }
    }
}

fn select(selectors: &[&str]) -> Result<Vec<String>, SelectorError> {
    let project = load(&fixture("project")).expect("a valid project");
    let selectors: Vec<String> = selectors.iter().map(|selector| selector.to_string()).collect();
    select_models(&project, &selectors, &Graph).map(|names| names.iter().map(TableName::to_string).collect())
}

#[test]
fn selectors_mean_names_folders_tags_and_streams() {
    let all = ["marts.churn", "marts.live_visits", "staging.customers", "staging.order_lines"];
    for (selectors, expected) in [
        (&["churn"][..], &["marts.churn"][..]),
        (&["marts.churn"], &["marts.churn"]),
        (&["marts"], &["marts.churn", "marts.live_visits"]),
        (&["tag:live"], &["marts.live_visits"]),
        (&["+churn"], &["marts.churn", "staging.customers", "staging.order_lines"]),
        (&["customers+"], &["marts.churn", "staging.customers", "staging.order_lines"]),
        (&["+order_lines+"], &["marts.churn", "staging.customers", "staging.order_lines"]),
        (&["+order_lines"], &["staging.customers", "staging.order_lines"]),
        (&["staging", "marts", "churn"], &all),
        (&[], &[]),
    ] {
        assert_eq!(select(selectors).expect("a selection"), expected, "{selectors:?}");
    }
}

#[test]
fn a_selector_that_matches_nothing_gets_a_suggestion() {
    let error = select(&["chrn"]).expect_err("no match");
    assert_eq!(error.to_string(), "the selector `chrn` matches no model");
    assert_eq!(error.hint(), Some("did you mean `churn`?"));
    assert_eq!(select(&["tag:lively"]).expect_err("no match").hint(), Some("did you mean `tag:live`?"));
    assert_eq!(select(&["xxxxxx"]).expect_err("no match").hint(), Some("the folders are `marts`, `staging`"));
    for malformed in ["", "+", "tag:", "a b", "++a"] {
        assert!(matches!(select(&[malformed]), Err(SelectorError::Malformed { .. })), "{malformed}");
    }
}

#[test]
fn a_parameter_keeps_its_type_when_it_is_overridden() {
    let parameters = Parameters::standard();
    let value = |name: &str, text: &str| parameters.with_override(name, text).map(|changed| changed.0[name].clone());
    assert_eq!(value("churn_window_days", "30"), Ok(ParameterValue::Integer(30)));
    assert_eq!(value("clv_discount_rate", "1"), Ok(ParameterValue::Double(1.0)));
    assert_eq!(value("contactable_when_unknown", "true"), Ok(ParameterValue::Boolean(true)));
    assert_eq!(value("referral_goal_start", "none"), Ok(ParameterValue::Date(None)));
    let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 2);
    assert_eq!(value("referral_goal_start", "2026-03-02"), Ok(ParameterValue::Date(date)));
    for (name, text, message) in [
        ("churn_window_days", "30.5", "parameter `churn_window_days` is `30.5`, expected a whole number"),
        ("churn_window_days", "0", "parameter `churn_window_days` is `0`, expected from 1 to 36500"),
        ("vip_share", "NaN", "parameter `vip_share` is `NaN`, expected a number"),
        ("clv_model", "pareto", "parameter `clv_model` is `pareto`, expected one of `bgnbd`, `mbgnbd`, `pareto_nbd`"),
        (
            "referral_goal_start",
            "2026-3-2",
            "parameter `referral_goal_start` is `2026-3-2`, expected a date such as `2026-01-31`, or `none`",
        ),
    ] {
        assert_eq!(value(name, text).expect_err("a mistake").to_string(), message);
    }
    let error = value("churn_windw_days", "30").expect_err("a mistake");
    assert_eq!(error.hint().as_deref(), Some("did you mean `churn_window_days`?"));
}

#[test]
fn the_standard_parameters_are_those_of_the_tables() {
    let parameters = Parameters::standard();
    for (name, value) in [
        ("churn_spend_drop", ParameterValue::Double(0.10)),
        ("lost_days", ParameterValue::Integer(365)),
        ("clv_model", ParameterValue::Text("bgnbd".to_owned())),
        ("referral_goal_start", ParameterValue::Date(None)),
        ("contactable_when_unknown", ParameterValue::Boolean(false)),
        ("identity_max_size", ParameterValue::Integer(50)),
    ] {
        assert_eq!(parameters.get(name), Some(&value), "{name}");
    }
    assert_eq!(parameters.0.len(), 27);
    assert!(parameters.contradictions().is_empty());
}
