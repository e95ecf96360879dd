//! The YAML beside a model's SQL or a seed's CSV, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{AnyText, Text};
use crate::config::yaml::Placed;
use crate::config::{History, Severity};

/// What a model's table promises.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "model")]
pub(crate) struct RawModel {
    /// What a row is, and what the table is for.
    #[schemars(required)]
    pub description: Option<Text>,
    /// Who answers for it.
    pub owner: Option<Text>,
    /// How it is built; the default is `view` in staging and `table` elsewhere.
    pub materialized: Option<Placed<RawMaterialization>>,
    /// Of an incremental model: the column that holds a row's day.
    pub day: Option<Text>,
    /// The columns that identify a row: checked to be unique and not null.
    #[serde(default)]
    pub grain: Vec<Text>,
    /// Which as-of snapshots `<table>_history` keeps; the default is `none`.
    pub history: Option<Placed<History>>,
    /// Words for selectors: `tag:x`.
    #[serde(default)]
    pub tags: Vec<Text>,
    /// The table's columns, in order.
    #[schemars(required)]
    pub columns: Option<Vec<Placed<RawModelColumn>>>,
    /// Queries for bad rows, and keys beside the grain.
    #[serde(default)]
    pub checks: Vec<Placed<RawCheck>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawMaterialization {
    /// Expanded where it is used.
    View,
    /// Built whole.
    Table,
    /// Built by day.
    Incremental,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawModelColumn {
    /// The column's name.
    #[schemars(required)]
    pub name: Option<Text>,
    /// `string`, `integer`, `double`, `boolean`, `date`, `timestamp`, `decimal(p,s)`, or `money` for `decimal(18,2)`.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub data_type: Option<Text>,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// What its values must be.
    #[serde(default)]
    pub checks: Vec<Placed<RawColumnCheck>>,
}

/// The YAML of a seed has the same columns, without checks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "seed")]
pub(crate) struct RawSeed {
    /// What a row is, and what the seed is for.
    #[schemars(required)]
    pub description: Option<Text>,
    /// The columns of the CSV, in the order of its header.
    #[schemars(required)]
    pub columns: Option<Vec<Placed<RawSeedColumn>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSeedColumn {
    /// The column's name, as in the CSV's header.
    #[schemars(required)]
    pub name: Option<Text>,
    /// `string`, `integer`, `double`, `boolean`, `date`, `timestamp`, `decimal(p,s)`, or `money` for `decimal(18,2)`.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub data_type: Option<Text>,
    /// What it holds.
    #[serde(default)]
    pub description: String,
}

/// A check of a table: either `sql` or `unique`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCheck {
    /// What the check is called; it can be left out with `unique`.
    pub name: Option<Text>,
    /// What holds if the check passes.
    pub description: Option<Text>,
    /// `error` stops the release (the default); `warn` is recorded.
    pub severity: Option<Severity>,
    /// A query that returns the bad rows.
    pub sql: Option<Text>,
    /// Columns that are unique together.
    pub unique: Option<Placed<Vec<Text>>>,
}

/// A check of a column: `not_null` or `unique`, or a mapping of one check with its arguments and a severity.
#[derive(Debug)]
pub(crate) enum RawColumnCheck {
    Name(RawColumnCheckKey),
    Arguments(Box<RawColumnCheckArguments>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawColumnCheckKey {
    NotNull,
    Unique,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawColumnCheckArguments {
    /// `true`: no value is null.
    pub not_null: Option<bool>,
    /// `true`: no value stands twice.
    pub unique: Option<bool>,
    /// The values that may occur; nulls pass.
    pub accepted_values: Option<Vec<Placed<AnyText>>>,
    /// Every value is in another table's column; nulls pass.
    pub relationships: Option<RawRelationship>,
    /// `error` stops the release (the default); `warn` is recorded.
    pub severity: Option<Severity>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRelationship {
    /// The other table: `staging.customers`.
    #[schemars(required)]
    pub to: Option<Text>,
    /// Its column.
    #[schemars(required)]
    pub column: Option<Text>,
}

impl<'de> Deserialize<'de> for RawColumnCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawColumnCheckVisitor)
    }
}

struct RawColumnCheckVisitor;

impl<'de> Visitor<'de> for RawColumnCheckVisitor {
    type Value = RawColumnCheck;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a check")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<RawColumnCheck, E> {
        RawColumnCheckKey::deserialize(StrDeserializer::new(name)).map(RawColumnCheck::Name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawColumnCheck, A::Error> {
        let arguments = RawColumnCheckArguments::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawColumnCheck::Arguments(Box::new(arguments)))
    }
}

impl JsonSchema for RawColumnCheck {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ColumnCheck".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<RawColumnCheckKey>();
        let arguments = generator.subschema_for::<RawColumnCheckArguments>();
        json_schema!({ "anyOf": [name, arguments] })
    }
}
