//! Reads raw objects as a careful stranger would: rows of texts, none for null.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A row by column name; a column that is not there is not in the map. `Err`: the line is not a row at all.
pub type Row = Result<BTreeMap<String, Option<String>>, String>;

/// Every object below a directory, relative to it, sorted.
pub fn objects(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("raw")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(directory.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub fn text(path: &Path) -> String {
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

pub fn rows(path: &Path) -> Vec<Row> {
    let name = path.to_str().unwrap();
    if name.ends_with(".parquet") {
        parquet_rows(path)
    } else if name.contains(".ndjson") {
        text(path).lines().map(json_row).collect()
    } else {
        csv_rows(&text(path))
    }
}

/// The readable rows of a feed, in the order of its objects.
pub fn feed_rows(directory: &Path, feed: &str) -> Vec<(String, Row)> {
    let prefix = format!("raw/{feed}/");
    let objects = objects(directory).into_iter().filter(|object| object.starts_with(&prefix));
    objects
        .flat_map(|object| rows(&directory.join(&object)).into_iter().map(move |row| (object.clone(), row)))
        .collect()
}

fn json_row(line: &str) -> Row {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let object = value.as_object().ok_or("no object")?;
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Ok(object.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

fn csv_rows(text: &str) -> Vec<Row> {
    let mut records = csv_records(text).into_iter();
    let header = records.next().expect("a CSV object has a header");
    let row = |fields: Vec<String>| {
        if fields.len() != header.len() {
            return Err(format!("{} fields instead of {}", fields.len(), header.len()));
        }
        let values = fields.into_iter().map(|field| Some(field).filter(|field| !field.is_empty()));
        Ok(header.iter().cloned().zip(values).collect())
    };
    records.map(row).collect()
}

fn csv_records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !is_quoted => {
                fields.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut fields));
            }
            other => field.push(other),
        }
    }
    assert!(field.is_empty() && fields.is_empty() && !is_quoted, "the object ends in the middle of a record");
    records
}

fn parquet_rows(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let schema = batch.schema();
        for index in 0..batch.num_rows() {
            let cells = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
                let value = (!array.is_null(index)).then(|| match array.data_type() {
                    DataType::Utf8 => array.as_string::<i32>().value(index).to_owned(),
                    DataType::Float64 => array.as_primitive::<Float64Type>().value(index).to_string(),
                    DataType::Timestamp(..) => {
                        let micros = array.as_primitive::<TimestampMicrosecondType>().value(index);
                        chrono::DateTime::from_timestamp_micros(micros)
                            .unwrap()
                            .format("%Y-%m-%dT%H:%M:%SZ")
                            .to_string()
                    }
                    other => panic!("unexpected type {other}"),
                });
                (field.name().clone(), value)
            });
            rows.push(Ok(cells.collect()));
        }
    }
    rows
}
