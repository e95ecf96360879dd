//! How a landed table is laid out: which columns its four kinds of rows have, and which files hold them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::contract::Contract;
use super::contract::arrow_type;
use crate::config::Source;
use crate::storage::{DataFile, Snapshot};

/// The partition column: what a row is.
pub const KIND: &str = "_kind";
/// The object that a row came from.
pub const OBJECT: &str = "_object";
/// From 1: the physical line at which the record starts, or the row of a Parquet object.
pub const LINE: &str = "_line";
/// The business day of the event.
pub const DAY: &str = "_day";
/// A 64-bit hash of the key.
pub const KEY: &str = "_key";
/// When the object was last written, as its store says.
pub const MODIFIED: &str = "_modified";
/// Bytes from the start of the decompressed object.
pub const OFFSET: &str = "_offset";
pub const REASON: &str = "_reason";
pub const COLUMN: &str = "_column";
pub const RAW: &str = "_raw";
/// Whether `_raw` is the whole record as it came; null means no.
pub const WHOLE: &str = "_whole";
pub const ETAG: &str = "_etag";
pub const SIZE: &str = "_size";
pub const ROWS: &str = "_rows";
pub const REJECTED: &str = "_rejected";
pub const LANDED_AT: &str = "_landed_at";
pub const CONTRACT: &str = "_contract";
pub const HEADER: &str = "_header";
/// The row that superseded this one: its object and line.
pub const BY: &str = "_by";

/// More columns than this that the contract does not name are not added from one object.
pub(crate) const MOST_ADDED_COLUMNS: usize = 200;

/// Characters of an added column's name.
const LONGEST_ADDED_NAME: usize = 100;

/// What a row of a landed table is: the value of `_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Row,
    Rejected,
    Object,
    Superseded,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Rejected => "rejected",
            Self::Object => "object",
            Self::Superseded => "superseded",
        }
    }
}

/// The files of a landed table, by what their rows are.
#[derive(Debug, Clone, Default)]
pub struct LandedFiles {
    pub rows: Vec<DataFile>,
    pub rejected: Vec<DataFile>,
    pub objects: Vec<DataFile>,
    pub superseded: Vec<DataFile>,
}

/// Sorts a landed table's files by what their rows are.
pub fn landed_files(snapshot: &Snapshot) -> LandedFiles {
    let mut files = LandedFiles::default();
    for file in &snapshot.files {
        match file.partition_value(KIND) {
            Some("row") => files.rows.push(file.clone()),
            Some("rejected") => files.rejected.push(file.clone()),
            Some("object") => files.objects.push(file.clone()),
            Some("superseded") => files.superseded.push(file.clone()),
            _ => {}
        }
    }
    files
}

/// The columns of `landed.<source>` as SQL sees them: the contract's, then `_object` and `_line`.
///
/// Columns that were added to the contract's stand between these in the table: see [`landed_schema`].
pub fn contract_schema(source: &Source) -> SchemaRef {
    let mut fields: Vec<Field> =
        source.columns.iter().map(|column| Field::new(&column.name, arrow_type(column.data_type), true)).collect();
    fields.push(Field::new(OBJECT, DataType::Utf8, true));
    fields.push(Field::new(LINE, DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

/// [`contract_schema`] with the columns that objects added to the contract's, in the order of their names.
pub fn landed_schema(source: &Source, table: &Schema) -> SchemaRef {
    let contract = contract_schema(source);
    let mut fields: Vec<Field> = contract.fields().iter().map(|field| field.as_ref().clone()).collect();
    let system = fields.split_off(source.columns.len());
    for name in added_columns(source.columns.iter().map(|column| column.name.as_str()), table) {
        fields.push(Field::new(name, DataType::Utf8, true));
    }
    fields.extend(system);
    Arc::new(Schema::new(fields))
}

/// A table's columns that neither the contract nor landing itself named, by name.
pub(crate) fn added_columns<'a>(contract: impl Iterator<Item = &'a str>, table: &Schema) -> Vec<String> {
    let contract: Vec<&str> = contract.collect();
    let mut names: Vec<String> = table
        .fields()
        .iter()
        .map(|field| field.name())
        .filter(|name| !name.starts_with('_') && !contract.contains(&name.as_str()))
        .cloned()
        .collect();
    names.sort();
    names
}

pub(crate) fn contract_fields(contract: &Contract) -> Vec<Field> {
    contract.columns.iter().map(|column| Field::new(&column.name, arrow_type(column.data_type), true)).collect()
}

fn instant(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

/// The columns of landed rows.
pub(crate) fn row_schema(contract: &Contract, added: &[String]) -> SchemaRef {
    let mut fields = contract_fields(contract);
    fields.extend(added.iter().map(|name| text(name)));
    fields.extend([
        text(OBJECT),
        number(LINE),
        Field::new(DAY, DataType::Date32, true),
        number(KEY),
        instant(MODIFIED),
    ]);
    fields.push(text(KIND));
    schema(fields)
}

/// The columns of rejected rows.
pub(crate) fn rejected_schema() -> SchemaRef {
    let mut fields = vec![text(OBJECT), number(LINE), number(OFFSET), text(REASON), text(COLUMN), text(RAW)];
    fields.extend([Field::new(WHOLE, DataType::Boolean, true), text(KIND)]);
    schema(fields)
}

/// The columns of landed objects.
pub(crate) fn object_schema() -> SchemaRef {
    schema(vec![
        text(OBJECT),
        text(ETAG),
        number(SIZE),
        instant(MODIFIED),
        number(ROWS),
        number(REJECTED),
        instant(LANDED_AT),
        text(CONTRACT),
        text(HEADER),
        text(KIND),
    ])
}

/// The columns of superseded rows.
pub(crate) fn superseded_schema() -> SchemaRef {
    let day = Field::new(DAY, DataType::Date32, true);
    schema(vec![text(OBJECT), number(LINE), day, number(KEY), text(BY), text(KIND)])
}

/// The table's columns: those of all four kinds.
pub(crate) fn table_schema(contract: &Contract, added: &[String]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = row_schema(contract, added).fields().iter().cloned().collect();
    for other in [rejected_schema(), object_schema(), superseded_schema()] {
        for field in other.fields() {
            if !fields.iter().any(|known| known.name() == field.name()) {
                fields.push(field.clone());
            }
        }
    }
    // The partition column last, as readers expect.
    fields.sort_by_key(|field| field.name() == KIND);
    Arc::new(Schema::new(fields))
}

/// The landed name of a column that the contract does not name: lower case, of letters, digits and underscores.
///
/// Delta's writer takes a column's name for an identifier of SQL, and fails on others.
pub(crate) fn added_name(contract: &Contract, raw: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name: String = raw
        .trim()
        .chars()
        .flat_map(char::to_lowercase)
        .take(LONGEST_ADDED_NAME)
        .map(|letter| if letter.is_alphabetic() || letter.is_ascii_digit() { letter } else { '_' })
        .collect();
    if !name.starts_with(char::is_alphabetic) {
        name.insert_str(0, "column");
    }
    let clashes =
        |name: &str| is_taken(name) || contract.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let mut candidate = name.clone();
    let mut number = 2;
    while clashes(&candidate) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}
