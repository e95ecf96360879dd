//! What a single text of the configuration means: names, units, values of a type, variables.

mod names;
mod units;
mod values;
mod variables;

pub(crate) use names::{closest, did_you_mean, is_identifier, one_of};
pub(crate) use units::{parse_bytes, parse_duration, parse_max_rejected};
pub use values::Value;
pub(crate) use values::{check_format, parse_data_type, parse_with_formats};
pub(crate) use variables::resolve;

/// Why a text does not mean what it should.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unfit {
    /// What was expected, to stand after `expected`.
    pub expected: String,
    pub hint: Option<String>,
}

impl Unfit {
    pub fn new(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
