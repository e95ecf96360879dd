//! Comparison with known figures: every difference of a test is told at once.

use serde_json::Value;

use super::Row;

/// Collects differences between what a project says and what is known.
pub struct Known {
    subject: &'static str,
    differences: Vec<String>,
}

impl Known {
    pub fn of(subject: &'static str) -> Self {
        Self { subject, differences: Vec::new() }
    }

    /// A figure to as many digits as were published: `.2426`, `-9582.429`.
    pub fn digits(&mut self, row: &Row, column: &str, published: &str) {
        let decimals = published.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let half_of_last_digit = 0.5 * 10f64.powi(-i32::try_from(decimals).unwrap());
        let expected: f64 = published.parse().unwrap();
        match row.get(column).and_then(Value::as_f64) {
            Some(value) if (value - expected).abs() <= half_of_last_digit * (1.0 + 1e-6) => {}
            other => self.differ(column, published, &other),
        }
    }

    /// A count, a text, a truth or a null.
    pub fn same(&mut self, row: &Row, column: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        if row.get(column) != Some(&expected) {
            self.differ(column, &expected.to_string(), &row.get(column));
        }
    }

    /// Something that a command says.
    pub fn says(&mut self, text: &str, expected: &str) {
        if !text.contains(expected) {
            self.differ("output", expected, &text);
        }
    }

    pub fn differ(&mut self, what: &str, expected: &str, found: &dyn std::fmt::Debug) {
        self.differences.push(format!("{what}: {expected} is known, found {found:?}"));
    }

    pub fn finish(self) {
        assert!(self.differences.is_empty(), "{}:\n  {}", self.subject, self.differences.join("\n  "));
    }
}

#[test]
fn a_difference_in_the_last_digit_is_one() {
    let row: Row = serde_json::from_str(r#"{"r": 0.24259452, "customers": 2357, "b": null}"#).unwrap();
    let mut known = Known::of("a row");
    known.digits(&row, "r", ".2426");
    known.same(&row, "customers", 2357);
    known.same(&row, "b", Value::Null);
    assert_eq!(known.differences, Vec::<String>::new());

    known.digits(&row, "r", ".2425");
    known.digits(&row, "b", ".2426");
    known.same(&row, "customers", 2358);
    known.same(&row, "missing", Value::Null);
    known.says("nothing to do", "release 1");
    assert_eq!(known.differences.len(), 5, "{:?}", known.differences);
}
