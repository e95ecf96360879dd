//! JSON Schemas of the YAML files, generated from the raw structs.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{RawCases, RawEnvironment, RawJob, RawModel, RawSeed};

/// The kinds of YAML files that a project holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Environment,
    Job,
    Model,
    Seed,
    Cases,
}

/// The JSON Schemas for editors by name: `environment`, `job`, `model`, `seed`, `cases`.
///
/// They are committed as `config/schemas/<name>.schema.json`.
pub fn json_schemas() -> Vec<(&'static str, Value)> {
    let kinds = [FileKind::Environment, FileKind::Job, FileKind::Model, FileKind::Seed, FileKind::Cases];
    let names = ["environment", "job", "model", "seed", "cases"];
    names.into_iter().zip(kinds).map(|(name, kind)| (name, schema_of(kind).clone())).collect()
}

pub(crate) fn schema_of(kind: FileKind) -> &'static Value {
    static ENVIRONMENT: LazyLock<Value> = LazyLock::new(generate::<RawEnvironment>);
    static JOB: LazyLock<Value> = LazyLock::new(generate::<RawJob>);
    static MODEL: LazyLock<Value> = LazyLock::new(generate::<RawModel>);
    static SEED: LazyLock<Value> = LazyLock::new(generate::<RawSeed>);
    static CASES: LazyLock<Value> = LazyLock::new(generate::<RawCases>);
    match kind {
        FileKind::Environment => &ENVIRONMENT,
        FileKind::Job => &JOB,
        FileKind::Model => &MODEL,
        FileKind::Seed => &SEED,
        FileKind::Cases => &CASES,
    }
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    refuse_null(&mut schema);
    schema
}

/// Takes `null` out: a key that is left out is optional, but one that stands must have a value.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("enum") {
                choices.retain(|choice| !choice.is_null());
            }
            if let Some(Value::Array(several)) = object.get_mut("anyOf") {
                several.retain(|one| one.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = several.as_mut_slice() {
                    let only = std::mem::take(only);
                    object.shift_remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            // An optional key's default says nothing if it is null or empty.
            let is_empty = |default: &Value| match default {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(_) => true,
                Value::String(text) => text.is_empty(),
                _ => false,
            };
            if object.get("default").is_some_and(is_empty) {
                object.shift_remove("default");
            }
            object.values_mut().for_each(refuse_null);
        }
        _ => {}
    }
}
