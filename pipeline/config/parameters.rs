//! Typed parameters: what `$name` in a model stands for.

use std::collections::BTreeMap;

/// The value of a parameter; its type is fixed by the default's.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Text(String),
    /// `None` for a date that is not set (`referral_goal_start`).
    Date(Option<chrono::NaiveDate>),
}

/// All parameters of a job by name, defaults included. `as_of` is not among them: it belongs to a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub BTreeMap<String, ParameterValue>);
