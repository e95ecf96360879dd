//! Hides the values of pii columns in a rejected record's text.

use crate::config::{CsvOptions, Delimiter, Format, Source};

const HIDDEN: &str = "***";

/// A rejected record's text as it may be listed: values of pii columns are hidden.
///
/// Where the values cannot be told apart (broken quotes, broken JSON, another number of fields than the header's), the
/// whole text is hidden. `header`: the names of a CSV object's fields, in its order.
pub fn mask_raw(source: &Source, header: Option<&[String]>, raw: &str) -> String {
    let pii: Vec<&str> = source
        .columns
        .iter()
        .filter(|column| column.pii)
        .map(|column| column.from.as_deref().unwrap_or(&column.name))
        .collect();
    if pii.is_empty() || raw.is_empty() {
        return raw.to_owned();
    }
    let masked = match &source.format {
        Format::Csv(options) => mask_csv(source, options, header, &pii, raw),
        Format::NdJson | Format::Parquet => mask_json(&pii, raw),
    };
    masked.unwrap_or_else(|| format!("({} bytes hidden: the record may hold personal data)", raw.len()))
}

fn mask_json(pii: &[&str], raw: &str) -> Option<String> {
    let mut record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(raw).ok()?;
    for name in pii {
        if let Some(value) = record.get_mut(*name)
            && !value.is_null()
        {
            *value = HIDDEN.into();
        }
    }
    serde_json::to_string(&record).ok()
}

fn mask_csv(
    source: &Source,
    options: &CsvOptions,
    header: Option<&[String]>,
    pii: &[&str],
    raw: &str,
) -> Option<String> {
    let names: Vec<&str> = match header {
        Some(header) => header.iter().map(String::as_str).collect(),
        None if options.header => return None,
        None => source.columns.iter().map(|column| column.from.as_deref().unwrap_or(&column.name)).collect(),
    };
    let fields = fields(options, raw)?;
    if fields.len() != names.len() {
        return None;
    }
    let mut masked = String::with_capacity(raw.len());
    let mut at = 0;
    for ((start, end), name) in fields.into_iter().zip(names) {
        masked.push_str(&raw[at..start]);
        let is_hidden = pii.contains(&name) && start < end;
        masked.push_str(if is_hidden { HIDDEN } else { &raw[start..end] });
        at = end;
    }
    masked.push_str(&raw[at..]);
    Some(masked)
}

/// The ranges of a record's fields, quotes included; `None` where quotes are broken.
fn fields(options: &CsvOptions, raw: &str) -> Option<Vec<(usize, usize)>> {
    let bytes = raw.as_bytes();
    let is_delimiter = |byte: u8| match options.delimiter {
        Delimiter::Byte(delimiter) => byte == delimiter,
        Delimiter::Whitespace => byte == b' ' || byte == b'\t',
    };
    let is_blank_separated = options.delimiter == Delimiter::Whitespace;
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        while is_blank_separated && bytes.get(at).is_some_and(|byte| is_delimiter(*byte)) {
            at += 1;
        }
        if is_blank_separated && at == bytes.len() {
            return Some(fields);
        }
        let start = at;
        if options.quote.is_some() && bytes.get(at).copied() == options.quote {
            at += 1;
            loop {
                at += bytes[at..].iter().position(|byte| Some(*byte) == options.quote)? + 1;
                if bytes.get(at).copied() != options.quote {
                    break;
                }
                at += 1;
            }
            if bytes.get(at).is_some_and(|byte| !is_delimiter(*byte)) {
                return None;
            }
        } else {
            at += bytes[at..].iter().position(|byte| is_delimiter(*byte)).unwrap_or(bytes.len() - at);
        }
        fields.push((start, at));
        if at == bytes.len() {
            return Some(fields);
        }
        if !is_blank_separated {
            at += 1;
        }
    }
}
