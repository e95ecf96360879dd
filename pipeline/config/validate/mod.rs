//! Raw structs into validated types. Pure: every mistake goes into the file's [`Findings`], and a value that is wrong
//! is replaced by a default, so that one pass finds everything.

mod cases;
mod environment;
mod job;
mod model;
mod notify;
mod parameters;
mod project;
mod schedule;
mod seed;
mod source;
mod state;

pub(crate) use cases::validate_cases;
pub(crate) use environment::{CheckedEnvironment, validate_environment};
pub(crate) use job::{CheckedJob, validate_job};
pub(crate) use model::{CheckedModel, ModelFiles, validate_model};
pub(crate) use project::{Known, validate_project};
pub use schedule::cron_parser;
pub(crate) use seed::validate_seed;

use super::document::Findings;
use super::raw::Text;
use super::text::{did_you_mean, is_identifier};
use super::yaml::Place;

/// Reports a name that is not a lower-snake-case identifier.
fn check_identifier(findings: &mut Findings, what: &str, name: &str, place: Place) {
    if is_identifier(name) {
        return;
    }
    let snake = to_snake_case(name);
    let hint = (snake != name && is_identifier(&snake)).then(|| format!("did you mean `{snake}`?"));
    let message = format!("{what} `{name}` is not a name, expected lower-case letters, digits and `_`, a letter first");
    findings.report(place, message, hint);
}

fn to_snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut previous = '_';
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            if character.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
                snake.push('_');
            }
            snake.push(character.to_ascii_lowercase());
        } else if !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        previous = character;
    }
    snake.trim_end_matches('_').to_owned()
}

/// Reports a text that names none of the columns; tells whether it names one.
fn check_column(findings: &mut Findings, key: &str, column: &Text, columns: &[&str]) -> bool {
    let is_known = columns.contains(&column.value.as_str());
    if !is_known {
        let message = format!("`{key}` names `{}`, which is not among the columns", column.shown());
        let hint = did_you_mean(&column.value, columns.iter().copied());
        findings.report(column.place, message, hint);
    }
    is_known
}
