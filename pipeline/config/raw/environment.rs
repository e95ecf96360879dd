//! `config/<name>.yaml` as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::Text;
use crate::config::SmtpTls;
use crate::config::parameters::{ParameterValue, STANDARD_PARAMETERS};
use crate::config::yaml::{Entries, Placed};

/// Where a project runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "environment")]
pub(crate) struct RawEnvironment {
    /// Where the company's systems drop raw objects: a path in the project, or a URL (file, s3, gs, az, abfss). `${raw}` in a job.
    #[schemars(required)]
    pub raw: Option<Text>,
    /// Where landed and published tables, releases and exports live: a path in the project, or a URL.
    #[schemars(required)]
    pub warehouse: Option<Text>,
    /// Where run records and leases are kept: the path of an SQLite file on a local disk, or, for several machines, `postgres://user:${env:NAME}@host:5432/database`.
    #[schemars(required)]
    pub state: Option<Text>,
    /// The zone of business days, such as `Europe/London`.
    #[schemars(required)]
    pub timezone: Option<Text>,
    /// The currency of all money, ISO 4217: three capital letters.
    #[schemars(required)]
    pub currency: Option<Text>,
    /// The memory that a run may take, such as `2GiB` (the default).
    pub memory_limit: Option<Text>,
    /// Query partitions and concurrent reads; the default is the number of cores.
    #[schemars(range(min = 1, max = 1024))]
    pub parallelism: Option<Placed<u32>>,
    /// How long a job stays taken when the process or machine that runs it no longer answers, such as `60s` (the default). A living process renews it; one that is known to be dead frees it at once.
    pub lease: Option<Text>,
    /// Limits of backfills.
    #[serde(default)]
    pub backfill: RawBackfillLimits,
    /// How long a call to a store that fails or does not answer is made again before the run gives up, such as `2m` (the default).
    pub store_patience: Option<Text>,
    /// Folders of models, in order: the first that has a model wins. The default is `[sql]`.
    pub sql: Option<Vec<Text>>,
    /// Values of the standard parameters, and parameters of the project's own: `$name` in a model.
    #[serde(default)]
    pub parameters: RawParameters,
    /// Options of the object stores, such as `aws_region`; secrets as `${env:NAME}`.
    #[serde(default)]
    pub storage: Entries<Placed<super::AnyText>>,
    /// The server that sends the e-mails of jobs' `notify`.
    pub smtp: Option<RawSmtp>,
    /// Where OpenLineage events of runs go; without it there are none.
    pub openlineage: Option<Placed<RawOpenLineage>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSmtp {
    /// The server's name.
    #[schemars(required)]
    pub host: Option<Text>,
    /// The default is 587 with `starttls`, 465 with `tls`, 25 without.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Placed<u32>>,
    /// How the connection is encrypted; the default is `starttls`.
    pub tls: Option<SmtpTls>,
    /// Who signs in; without it nobody does.
    pub user: Option<Text>,
    /// A secret: `${env:NAME}`.
    pub password: Option<Text>,
    /// The sender's address: `lifecycle <lifecycle@example.com>`.
    #[schemars(required)]
    pub from: Option<Text>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOpenLineage {
    /// A URL that gets a POST of each event, such as `https://marquez.example.com/api/v1/lineage`.
    pub url: Option<Text>,
    /// A secret that the URL wants as a bearer's: `${env:NAME}`.
    pub api_key: Option<Text>,
    /// A folder for one NDJSON file per run: a path in the project, or a URL (file, s3, gs, az, abfss).
    pub folder: Option<Text>,
    /// The namespace of the jobs; the default is `lifecycle`.
    pub namespace: Option<Text>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBackfillLimits {
    /// How many days may be built at once, by all backfills together; the default is 64.
    #[schemars(range(min = 1, max = 64))]
    pub parallel: Option<Placed<u32>>,
}

/// Parameters by name.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawParameters(pub Entries<Placed<RawValue>>);

/// A value whose type is as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RawValue {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawValueVisitor)
    }
}

struct RawValueVisitor;

impl Visitor<'_> for RawValueVisitor {
    type Value = RawValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number, true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }
}

impl JsonSchema for RawParameters {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Parameters".into()
    }

    /// The standard parameters with their types, bounds and defaults; others of any type.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        for parameter in STANDARD_PARAMETERS {
            let (type_name, default) = match parameter.default_value() {
                ParameterValue::Integer(value) => ("integer", json!(value)),
                ParameterValue::Double(value) => ("number", json!(value)),
                ParameterValue::Boolean(value) => ("boolean", json!(value)),
                ParameterValue::Text(value) => ("string", json!(value)),
                ParameterValue::Date(date) => {
                    ("string", json!(date.map_or("none".to_owned(), |date| date.to_string())))
                }
            };
            let mut schema = Map::new();
            schema.insert("description".into(), parameter.description.into());
            schema.insert("type".into(), type_name.into());
            if let Some((low, high)) = parameter.bounds {
                let number = |bound: f64| if type_name == "integer" { json!(bound as i64) } else { json!(bound) };
                schema.insert("minimum".into(), number(low));
                schema.insert("maximum".into(), number(high));
            }
            if !parameter.choices.is_empty() {
                schema.insert("enum".into(), json!(parameter.choices));
            }
            schema.insert("default".into(), default);
            properties.insert(parameter.name.into(), Value::Object(schema));
        }
        schemars::json_schema!({
            "type": "object",
            "properties": properties,
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Double(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
        }
    }
}
