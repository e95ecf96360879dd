//! Typed parameters: what `$name` in a model stands for.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::text::{closest, one_of};

/// The value of a parameter; its type is fixed by the default's.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Text(String),
    /// `None` for a date that is not set (`referral_goal_start`).
    Date(Option<NaiveDate>),
}

impl ParameterValue {
    /// The type in words, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Integer(_) => "a whole number",
            Self::Double(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Text(_) => "text",
            Self::Date(_) => "a date such as `2026-01-31`, or `none`",
        }
    }

    /// Parses a text as a value of this one's type; `None` where it is of another.
    pub fn parse_same_type(&self, text: &str) -> Option<Self> {
        match self {
            Self::Integer(_) => text.parse().ok().map(Self::Integer),
            Self::Double(_) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::Double),
            Self::Boolean(_) => text.parse().ok().map(Self::Boolean),
            Self::Text(_) => Some(Self::Text(text.to_owned())),
            Self::Date(_) if text == "none" => Some(Self::Date(None)),
            Self::Date(_) if text.len() == 10 => {
                NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| Self::Date(Some(date)))
            }
            Self::Date(_) => None,
        }
    }
}

impl std::fmt::Display for ParameterValue {
    /// As a configuration writes it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Double(value) => write!(formatter, "{value}"),
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value}"),
            Self::Date(Some(value)) => write!(formatter, "{value}"),
            Self::Date(None) => formatter.write_str("none"),
        }
    }
}

/// All parameters of a job by name, defaults included. `as_of` is not among them: it belongs to a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub BTreeMap<String, ParameterValue>);

/// A parameter that cannot be set as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("unknown parameter `{name}`, expected {known}")]
    Unknown { name: String, known: String, closest: Option<String> },
    #[error("parameter `{name}` is `{value}`, expected {expected}")]
    Unfit { name: String, value: String, expected: String },
}

impl ParameterError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { closest: Some(closest), .. } => Some(format!("did you mean `{closest}`?")),
            _ => None,
        }
    }
}

impl Parameters {
    /// The standard parameters with their defaults.
    pub fn standard() -> Self {
        Self(
            STANDARD_PARAMETERS
                .iter()
                .map(|parameter| (parameter.name.to_owned(), parameter.default_value()))
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.0.get(name)
    }

    /// These parameters with one value replaced: `--var churn_window_days=60`. The type stays.
    pub fn with_override(&self, name: &str, text: &str) -> Result<Self, ParameterError> {
        let Some(current) = self.0.get(name) else {
            let known: Vec<&String> = self.0.keys().collect();
            let closest = closest(name, self.0.keys().map(String::as_str)).map(str::to_owned);
            return Err(ParameterError::Unknown { name: name.to_owned(), known: one_of(&known), closest });
        };
        let unfit =
            |expected: String| ParameterError::Unfit { name: name.to_owned(), value: text.to_owned(), expected };
        let value = current.parse_same_type(text).ok_or_else(|| unfit(current.type_name().to_owned()))?;
        if let Some(standard) = standard_parameter(name) {
            standard.check(&value).map_err(unfit)?;
        }
        let mut changed = self.clone();
        changed.0.insert(name.to_owned(), value);
        Ok(changed)
    }

    /// Pairs of standard parameters that contradict each other, in words, with the second one's name.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let number = |name: &str| match self.0.get(name) {
            Some(ParameterValue::Integer(value)) => *value as f64,
            Some(ParameterValue::Double(value)) => *value,
            _ => f64::NAN,
        };
        let mut found = Vec::new();
        for (low, high, may_be_equal) in [
            ("active_days", "dormant_days", false),
            ("dormant_days", "lost_days", false),
            ("second_purchase_from", "second_purchase_to", true),
        ] {
            let (low_value, high_value) = (number(low), number(high));
            if low_value > high_value || (low_value == high_value && !may_be_equal) {
                let than = if may_be_equal { "not less" } else { "more" };
                found.push((
                    high,
                    format!("`{high}` is {high_value}, expected {than} than `{low}`, which is {low_value}"),
                ));
            }
        }
        let shares = number("vip_share") + number("low_share");
        if shares > 1.0 {
            found.push(("low_share", format!("`vip_share` and `low_share` sum to {shares}, expected at most 1")));
        }
        found
    }
}

/// A parameter that the shipped models use.
#[derive(Debug, Clone, Copy)]
pub struct StandardParameter {
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Least and greatest value of a number, both included.
    pub bounds: Option<(f64, f64)>,
    /// The values that a text may have; empty: any.
    pub choices: &'static [&'static str],
    default: DefaultValue,
}

#[derive(Debug, Clone, Copy)]
enum DefaultValue {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Text(&'static str),
    NoDate,
}

impl StandardParameter {
    pub fn default_value(&self) -> ParameterValue {
        match self.default {
            DefaultValue::Integer(value) => ParameterValue::Integer(value),
            DefaultValue::Double(value) => ParameterValue::Double(value),
            DefaultValue::Boolean(value) => ParameterValue::Boolean(value),
            DefaultValue::Text(value) => ParameterValue::Text(value.to_owned()),
            DefaultValue::NoDate => ParameterValue::Date(None),
        }
    }

    /// Checks bounds and choices; the error says what was expected.
    fn check(&self, value: &ParameterValue) -> Result<(), String> {
        let number = match value {
            ParameterValue::Integer(value) => *value as f64,
            ParameterValue::Double(value) => *value,
            ParameterValue::Text(text) if !self.choices.is_empty() && !self.choices.contains(&text.as_str()) => {
                return Err(one_of(self.choices));
            }
            _ => return Ok(()),
        };
        match self.bounds {
            Some((low, high)) if number < low || number > high => Err(format!("from {low} to {high}")),
            _ => Ok(()),
        }
    }
}

/// The standard parameter of that name.
pub fn standard_parameter(name: &str) -> Option<&'static StandardParameter> {
    STANDARD_PARAMETERS.iter().find(|parameter| parameter.name == name)
}

const fn days(name: &'static str, default: i64, description: &'static str) -> StandardParameter {
    count(name, default, (1.0, 36_500.0), description)
}

const fn count(name: &'static str, default: i64, bounds: (f64, f64), description: &'static str) -> StandardParameter {
    StandardParameter { name, description, bounds: Some(bounds), choices: &[], default: DefaultValue::Integer(default) }
}

const fn rate(name: &'static str, default: f64, bounds: (f64, f64), description: &'static str) -> StandardParameter {
    StandardParameter { name, description, bounds: Some(bounds), choices: &[], default: DefaultValue::Double(default) }
}

/// Every parameter that the shipped models use, with its default.
pub const STANDARD_PARAMETERS: &[StandardParameter] = &[
    days(
        "churn_window_days",
        90,
        "Days of a churn window: buyers of the window before are compared with the last one.",
    ),
    rate(
        "churn_spend_drop",
        0.10,
        (0.0, 1.0),
        "The fall in spending, as a share, from which a customer counts as spend churn.",
    ),
    days("active_days", 90, "For fewer days than this after the last purchase a customer is active."),
    days("dormant_days", 180, "From this many days after the last purchase a customer is dormant."),
    days("lost_days", 365, "From this many days after the last purchase a customer is lost."),
    days("lead_half_life_days", 30, "Days after which a signal counts half in a lead's score."),
    days("conversion_days", 90, "Days within which a purchase counts as the result of a contact or a score."),
    days("movement_days", 30, "Days between the two stages that stage_movements compares."),
    days("referral_days", 180, "Days within which a referred customer's first purchase counts as the referral's."),
    rate("referral_goal", 0.10, (0.0, 100.0), "The growth in valid referrals to reach, as a share of the baseline."),
    count("referral_goal_weeks", 10, (1.0, 520.0), "Weeks of the referral goal, and of its baseline."),
    StandardParameter {
        name: "referral_goal_start",
        description: "The first day of the referral goal's weeks; none: the weeks that end at the as-of day.",
        bounds: None,
        choices: &[],
        default: DefaultValue::NoDate,
    },
    days("clv_horizon_days", 365, "Days ahead for which customer lifetime value is predicted."),
    rate("clv_discount_rate", 0.10, (0.0, 10.0), "The discount rate of a year, as a share."),
    StandardParameter {
        name: "clv_model",
        description: "The model that predicts purchases.",
        bounds: None,
        choices: &["bgnbd", "mbgnbd", "pareto_nbd"],
        default: DefaultValue::Text("bgnbd"),
    },
    days("matrix_compare_days", 90, "Days back to the customer matrix that today's is compared with."),
    days("second_purchase_from", 30, "The second-purchase window opens this many days after the first purchase."),
    days("second_purchase_to", 60, "The second-purchase window closes this many days after the first purchase."),
    days("attribution_days", 30, "Days before an order in which a contact is a touch of it."),
    rate("vip_share", 0.20, (0.0, 1.0), "The share of customers, by profit, that are vip."),
    rate("low_share", 0.20, (0.0, 1.0), "The share of customers, by profit, that are low."),
    rate("default_margin_rate", 1.0, (0.0, 1.0), "The margin of a line without one, as a share of its net amount."),
    rate("affinity_min_support", 0.001, (0.0, 1.0), "The least share of baskets that hold both items of a pair."),
    count("clusters", 5, (2.0, 50.0), "The number of behaviour clusters."),
    days("kpi_period_days", 30, "Days of a key figure's period."),
    StandardParameter {
        name: "contactable_when_unknown",
        description: "Whether a customer whose consent is unknown may be contacted.",
        bounds: None,
        choices: &[],
        default: DefaultValue::Boolean(false),
    },
    count(
        "identity_max_size",
        50,
        (2.0, 1_000_000.0),
        "Identities of more ids than this are not merged, but reported.",
    ),
];
