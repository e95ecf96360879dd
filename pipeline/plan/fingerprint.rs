//! Fingerprints: equal ones mean equal rows, so nothing has to be built.

use std::collections::BTreeMap;

use twox_hash::XxHash64;

use crate::config::{Materialization, Model, ParameterValue, Parameters, Seed, TableName};

use super::Graph;

/// What a table's rows depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Everything, and the checks.
    pub whole: String,
    /// Everything that the rows depend on, without the checks.
    pub rows: String,
    /// Everything but the landed data.
    pub definition: String,
    /// The landed sources whose data it depends on, by whatever way.
    pub sources: Vec<String>,
    /// Whether the day of the run matters.
    pub depends_on_as_of: bool,
    /// What `definition` is made of, by what people call it, each as a hash.
    pub parts: BTreeMap<String, String>,
}

/// The parts that differ, in words: `its SQL`, `parameter churn_window_days`; empty where one of the two has no parts.
pub(super) fn changed_parts(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    if before.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

/// The state of one landed source, as far as fingerprints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion {
    /// `None` before anything was landed.
    pub version: Option<u64>,
    /// Objects wait to be landed: whatever is built on the source will change.
    pub is_pending: bool,
    /// The columns that SQL sees, as text.
    pub columns: String,
}

/// Fingerprints all models of a graph.
///
/// A source that the job does not have counts as absent: what reads it is empty.
pub fn fingerprints(
    graph: &Graph,
    models: &BTreeMap<TableName, Model>,
    seeds: &BTreeMap<String, Seed>,
    sources: &BTreeMap<String, SourceVersion>,
    parameters: &Parameters,
    timezone: chrono_tz::Tz,
    as_of: chrono::NaiveDate,
) -> BTreeMap<TableName, Fingerprint> {
    let mut all: BTreeMap<TableName, Fingerprint> = BTreeMap::new();
    for name in graph.order() {
        if let (Some(model), Some(references)) = (models.get(name), graph.references(name)) {
            let mut definition = Parts::new(&model.sql);
            let mut parts = BTreeMap::new();
            let columns = model.columns.iter().map(|column| format!("{} {:?}", column.name, column.data_type));
            note(&mut parts, "its SQL", &model.sql);
            note(&mut parts, "its columns", &columns.collect::<Vec<_>>().join(", "));
            note(&mut parts, "its materialization", &format!("{:?}", model.materialized));
            note(&mut parts, "the version of lifecycle", env!("CARGO_PKG_VERSION"));
            note(&mut parts, "the time zone", timezone.name());
            let mut data = Parts::new("");
            definition.add("version", env!("CARGO_PKG_VERSION"));
            definition.add("timezone", timezone.name());
            definition.add("materialized", &format!("{:?}", model.materialized));
            for column in &model.columns {
                definition.add(&column.name, &format!("{:?}", column.data_type));
            }
            let mut depends_on_as_of = references.parameters.contains("as_of");
            for parameter in references.parameters.iter().filter(|name| *name != "as_of") {
                let text = parameters.0.get(parameter).map(parameter_text).unwrap_or_default();
                definition.add(parameter, &text);
                note(&mut parts, &format!("parameter {parameter}"), &text);
            }
            let mut read = Vec::new();
            for table in &references.tables {
                let key = table.to_string();
                match table.schema.as_str() {
                    "landed" => {
                        let source = sources.get(&table.table);
                        let columns = source.map_or("absent", |source| source.columns.as_str());
                        definition.add(&key, columns);
                        note(&mut parts, &format!("the columns of {key}"), columns);
                        data.add(&key, &source.map(source_text).unwrap_or_default());
                        read.push(table.table.clone());
                    }
                    "seeds" => {
                        let csv = seeds.get(&table.table).map_or("", |seed| seed.csv.as_str());
                        definition.add(&key, csv);
                        note(&mut parts, &format!("seed {}", table.table), csv);
                    }
                    _ => {
                        if let Some(upstream) = all.get(table) {
                            definition.add(&key, &upstream.definition);
                            let of_view = models.get(table).filter(|of| of.materialized == Materialization::View);
                            match of_view {
                                Some(_) => upstream.parts.iter().for_each(|(part, hash)| {
                                    parts.entry(of_another(part, table)).or_insert_with(|| hash.clone());
                                }),
                                None => {
                                    parts.insert(key.clone(), short_hash(&upstream.definition));
                                }
                            }
                            data.add(&key, &upstream.rows);
                            depends_on_as_of |= upstream.depends_on_as_of;
                            read.extend(upstream.sources.iter().cloned());
                        }
                    }
                }
            }
            read.sort();
            read.dedup();
            let definition = definition.hash();
            data.add("definition", &definition);
            if depends_on_as_of {
                data.add("as_of", &as_of.to_string());
            }
            let rows = data.hash();
            let mut whole = Parts::new(&rows);
            for check in &model.checks {
                whole.add(&check.name, &format!("{:?} {:?}", check.kind, check.severity));
            }
            let whole = whole.hash();
            let fingerprint = Fingerprint { whole, rows, definition, sources: read, depends_on_as_of, parts };
            all.insert(name.clone(), fingerprint);
        }
    }
    all
}

fn note(parts: &mut BTreeMap<String, String>, name: &str, value: &str) {
    parts.insert(name.to_owned(), short_hash(value));
}

/// What a part of a table is called by those who read the table: `its SQL` is `the SQL of staging.orders`.
pub(super) fn of_another(part: &str, table: &TableName) -> String {
    part.strip_prefix("its ").map_or_else(|| part.to_owned(), |what| format!("the {what} of {table}"))
}

/// Enough to see that a text is another one.
fn short_hash(text: &str) -> String {
    format!("{:016x}", XxHash64::oneshot(3, text.as_bytes()))
}

fn source_text(source: &SourceVersion) -> String {
    let waiting = if source.is_pending { " pending" } else { "" };
    format!("{:?}{waiting}", source.version)
}

fn parameter_text(value: &ParameterValue) -> String {
    format!("{value:?}")
}

/// Named parts, each with its length, so that no two lists of parts read the same.
struct Parts(String);

impl Parts {
    fn new(first: &str) -> Self {
        let mut parts = Self(String::new());
        parts.add("", first);
        parts
    }

    fn add(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{}:{name}{}:{value}", name.len(), value.len()));
    }

    fn hash(&self) -> String {
        let bytes = self.0.as_bytes();
        format!("{:016x}{:016x}", XxHash64::oneshot(1, bytes), XxHash64::oneshot(2, bytes))
    }
}
