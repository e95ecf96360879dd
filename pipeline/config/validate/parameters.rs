//! Parameters of an environment and of a job.

use crate::config::document::Findings;
use crate::config::parameters::{ParameterValue, Parameters, standard_parameter};
use crate::config::raw::{RawParameters, RawValue};
use crate::config::text::{did_you_mean, one_of};
use crate::config::yaml::Placed;

/// The standard parameters with an environment's values, and those that it adds.
pub(super) fn environment_parameters(findings: &mut Findings, raw: &RawParameters) -> Parameters {
    let mut parameters = Parameters::standard();
    for (name, value) in &raw.0.0 {
        if name.value == "as_of" {
            findings.report(name.place, "the parameter `as_of` belongs to a run", Some("remove it".to_owned()));
            continue;
        }
        let value = match parameters.get(&name.value) {
            Some(default) => same_type(findings, &name.value, value, &default.clone()),
            None => {
                super::check_identifier(findings, "the parameter", &name.value, name.place);
                // A misspelt standard parameter would otherwise become one of the project's own that nothing reads.
                let standard = parameters.0.keys().filter(|name| standard_parameter(name).is_some());
                if let Some(hint) = did_you_mean(&name.value, standard.map(String::as_str)) {
                    let message = format!("the parameter `{}` is almost a standard one", name.value);
                    findings.report(name.place, message, Some(format!("{hint} if not, give it another name")));
                }
                new_value(findings, &name.value, value)
            }
        };
        if let Some(value) = value {
            parameters.0.insert(name.value.clone(), value);
        }
    }
    contradictions(findings, raw, &parameters, &[]);
    parameters
}

/// The environment's parameters with a job's values over them.
pub(super) fn job_parameters(findings: &mut Findings, raw: &RawParameters, known: &Parameters) -> Parameters {
    let mut parameters = known.clone();
    for (name, value) in &raw.0.0 {
        let Some(current) = known.get(&name.value) else {
            let names: Vec<&str> = known.0.keys().map(String::as_str).collect();
            let hint = did_you_mean(&name.value, names.iter().copied());
            let message = format!("unknown parameter `{}`, expected {}", name.value, one_of(&names));
            let elsewhere = || "a new parameter is defined in the environment's `parameters`".to_owned();
            findings.report(name.place, message, Some(hint.unwrap_or_else(elsewhere)));
            continue;
        };
        if let Some(value) = same_type(findings, &name.value, value, current) {
            parameters.0.insert(name.value.clone(), value);
        }
    }
    contradictions(findings, raw, &parameters, &known.contradictions());
    parameters
}

/// Reports what contradicts itself, apart from what did already before.
fn contradictions(
    findings: &mut Findings,
    raw: &RawParameters,
    parameters: &Parameters,
    before: &[(&'static str, String)],
) {
    for (name, message) in parameters.contradictions() {
        if before.iter().any(|(_, other)| *other == message) {
            continue;
        }
        // At the parameter that is at fault; else at the last one given.
        let at_fault = raw.0.0.iter().find(|(given, _)| given.value == name).or(raw.0.0.last());
        if let Some((given, _)) = at_fault {
            findings.report(given.place, message, None);
        }
    }
}

/// A value for a parameter that has a type already. Its bounds were checked with the file's shape.
fn same_type(
    findings: &mut Findings,
    name: &str,
    raw: &Placed<RawValue>,
    current: &ParameterValue,
) -> Option<ParameterValue> {
    let value = match (&raw.value, current) {
        (RawValue::Integer(value), ParameterValue::Integer(_)) => Some(ParameterValue::Integer(*value)),
        (RawValue::Integer(value), ParameterValue::Double(_)) => Some(ParameterValue::Double(*value as f64)),
        (RawValue::Double(value), ParameterValue::Double(_)) if value.is_finite() => {
            Some(ParameterValue::Double(*value))
        }
        (RawValue::Boolean(value), ParameterValue::Boolean(_)) => Some(ParameterValue::Boolean(*value)),
        // The value of an environment variable is text, whatever it means.
        (RawValue::Text(text), current) if raw.is_secret() => current.parse_same_type(text),
        (RawValue::Text(text), ParameterValue::Text(_) | ParameterValue::Date(_)) => current.parse_same_type(text),
        _ => None,
    };
    if value.is_none() {
        let shown = raw.shown_or(&raw.value.to_string()).to_owned();
        findings.report(raw.place, format!("`{name}` is `{shown}`, expected {}", current.type_name()), None);
    }
    value
}

/// A value for a new parameter: its type is as written; `yyyy-mm-dd` is a date.
fn new_value(findings: &mut Findings, name: &str, raw: &Placed<RawValue>) -> Option<ParameterValue> {
    match &raw.value {
        RawValue::Boolean(value) => Some(ParameterValue::Boolean(*value)),
        RawValue::Integer(value) => Some(ParameterValue::Integer(*value)),
        RawValue::Double(value) if value.is_finite() => Some(ParameterValue::Double(*value)),
        RawValue::Double(_) => {
            findings.report(raw.place, format!("`{name}` is not a finite number"), None);
            None
        }
        RawValue::Text(text) => {
            let date =
                ParameterValue::Date(None).parse_same_type(text).filter(|date| *date != ParameterValue::Date(None));
            Some(date.unwrap_or_else(|| ParameterValue::Text(text.clone())))
        }
    }
}
