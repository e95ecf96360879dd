//! The YAML files as they are written, before anything is checked.
//!
//! These structs are the one description of what may be written: the JSON Schemas for editors come from them, and the
//! same schemas find unknown keys and wrong types. All fields are optional in Rust, because a file with one mistake is
//! still read for its others; `required` says what the schema demands.

mod cases;
mod environment;
mod job;
mod model;
mod schema;

pub(crate) use cases::{RawCase, RawCases, RawRow};
pub(crate) use environment::{RawEnvironment, RawOpenLineage, RawParameters, RawSmtp, RawValue};
pub(crate) use job::{
    RawBlackout, RawColumn, RawCsvOptions, RawFormat, RawJob, RawNotify, RawNotifyTarget, RawRetry, RawSchedule,
    RawSource,
};
pub(crate) use model::{
    RawCheck, RawColumnCheck, RawColumnCheckArguments, RawColumnCheckKey, RawMaterialization, RawModel, RawModelColumn,
    RawSeed,
};
pub use schema::json_schemas;
pub(crate) use schema::{FileKind, schema_of};

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::config::yaml::Placed;

/// A text with its place.
pub(crate) type Text = Placed<String>;

/// A text, or a number or truth value taken as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct AnyText(pub String);

impl JsonSchema for AnyText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl Placed<AnyText> {
    /// The text as messages may show it.
    pub fn shown_text(&self) -> &str {
        self.shown_or(&self.value.0)
    }
}
