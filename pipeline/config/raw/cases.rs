//! The YAML of a model's cases, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::{RawParameters, Text};
use crate::config::yaml::{Entries, Placed};

/// Cases of one model: given rows and expected rows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cases")]
pub(crate) struct RawCases {
    /// The model, such as `marts.churn`; the file's name is `<model>.yaml`.
    #[schemars(required)]
    pub model: Option<Text>,
    /// The zone of business days in these cases; the default is the environment's.
    pub timezone: Option<Text>,
    #[schemars(required)]
    pub cases: Option<Vec<Placed<RawCase>>>,
}

/// One case.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCase {
    /// What the case shows.
    #[schemars(required)]
    pub name: Option<Text>,
    /// The value of `$as_of`.
    #[schemars(required)]
    pub as_of: Option<Text>,
    /// The zone of business days in this case.
    pub timezone: Option<Text>,
    /// Parameters that differ from their defaults.
    #[serde(default)]
    pub parameters: RawParameters,
    /// Rows by table, with the columns that matter; a column that is left out is null.
    #[serde(default)]
    pub given: Entries<Vec<RawRow>>,
    /// All rows of the model, in any order, with the columns that matter.
    pub expect: Option<Vec<RawRow>>,
    /// Some rows of the model.
    pub expect_some: Option<Vec<RawRow>>,
    /// How many rows the model has.
    pub expect_rows: Option<Placed<u64>>,
}

/// Values by column.
pub(crate) type RawRow = Placed<Entries<Placed<RawCell>>>;

/// A value of a row, as text; none: null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawCell(pub Option<String>);

impl<'de> Deserialize<'de> for RawCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawCellVisitor)
    }
}

struct RawCellVisitor;

impl Visitor<'_> for RawCellVisitor {
    type Value = RawCell;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<RawCell, E> {
        Ok(RawCell(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawCell, E> {
        Ok(RawCell(Some(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawCell, E> {
        Ok(RawCell(Some(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawCell, E> {
        Ok(RawCell(Some(value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawCell, E> {
        Ok(RawCell(Some(value.to_owned())))
    }
}

impl JsonSchema for RawCell {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawCell".into()
    }

    /// `const` and not a type: null is a value here, unlike in every other file.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, { "const": null }] })
    }
}
