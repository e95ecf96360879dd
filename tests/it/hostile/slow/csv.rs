//! CSV, one byte after the other.

use lifecycle::config::{CsvOptions, Delimiter, Source};

use super::values::{Raw, cast};
use super::{End, Outcome, Reading, is_strict};

struct Record {
    end: End,
    fields: Vec<Vec<u8>>,
}

/// Where the contract's columns stand.
struct Header {
    width: usize,
    places: Vec<Option<usize>>,
    has_unknown: bool,
}

pub fn read(mut reading: Reading<'_>, source: &Source, options: &CsvOptions) -> Outcome {
    let mut header = (!options.header).then(|| Header {
        width: source.columns.len(),
        places: (0..source.columns.len()).map(Some).collect(),
        has_unknown: false,
    });
    while !reading.is_at_end() {
        let (stretch, is_last, is_cut) = reading.stretch();
        let record = match options.delimiter {
            Delimiter::Byte(byte) => delimited(stretch, byte, options.quote, is_last),
            Delimiter::Whitespace => separated(stretch, options.quote, is_last),
        };
        match record.end {
            End::Complete { consumed, .. } if record.fields.is_empty() => reading.pass(consumed),
            End::Complete { content, consumed } => match &header {
                Some(header) => {
                    let fields = columns(source, options, header, &record.fields);
                    reading.keep(&stretch[..content], consumed, fields);
                }
                None => match read_header(source, &record.fields) {
                    Some(found) => {
                        header = Some(found);
                        reading.pass(consumed);
                    }
                    None => {
                        reading.refuse(None);
                        return reading.outcome;
                    }
                },
            },
            End::Open { in_quotes } => {
                let is_over = is_cut || (in_quotes && is_last);
                if !is_over || !refuse(&mut reading, header.is_some()) {
                    break;
                }
                if header.is_none() {
                    return reading.outcome;
                }
            }
            End::Broken => {
                if !refuse(&mut reading, header.is_some()) {
                    break;
                }
                if header.is_none() {
                    return reading.outcome;
                }
            }
        }
    }
    reading.finish()
}

fn refuse(reading: &mut Reading<'_>, has_header: bool) -> bool {
    let is_refused = reading.refuse_line();
    if is_refused && !has_header {
        // The line stands for the whole object.
        if let Some(last) = reading.outcome.rejected.last_mut() {
            last.raw = None;
        }
    }
    is_refused
}

fn read_header(source: &Source, fields: &[Vec<u8>]) -> Option<Header> {
    let names: Vec<String> = fields.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let raw_name = |column: &lifecycle::config::ColumnContract| column.from.clone().unwrap_or(column.name.clone());
    let mut places = Vec::new();
    for column in &source.columns {
        let found: Vec<usize> = (0..names.len()).filter(|place| names[*place] == raw_name(column)).collect();
        if found.len() > 1 {
            return None;
        }
        places.push(found.first().copied());
    }
    if places.iter().all(Option::is_none) {
        return None;
    }
    let has_unknown = names.iter().any(|name| source.columns.iter().all(|column| raw_name(column) != *name));
    Some(Header { width: names.len(), places, has_unknown })
}

fn columns(source: &Source, options: &CsvOptions, header: &Header, fields: &[Vec<u8>]) -> super::Fields {
    let is_too_short = fields.len() < header.width && options.header;
    if fields.len() > header.width || is_too_short || (header.has_unknown && is_strict(source)) {
        return None;
    }
    let raw = |place: &Option<usize>| match place.and_then(|place| fields.get(place)) {
        Some(text) if !text.is_empty() => Raw::Text(text.clone()),
        _ => Raw::Missing,
    };
    Some(source.columns.iter().zip(&header.places).map(|(column, place)| cast(column, &raw(place))).collect())
}

fn delimited(text: &[u8], delimiter: u8, quote: Option<u8>, is_last: bool) -> Record {
    for empty in [&b"\n"[..], b"\r\n"] {
        if text.starts_with(empty) {
            return Record { end: End::Complete { content: 0, consumed: empty.len() }, fields: Vec::new() };
        }
    }
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let mut field = Vec::new();
        if let Some(quote) = quote.filter(|quote| text.get(at) == Some(quote)) {
            match quoted(text, at, quote, is_last) {
                Some((value, after)) => (field, at) = (value, after),
                None => return Record { end: End::Open { in_quotes: true }, fields },
            }
            fields.push(field);
            match &text[at..] {
                [byte, ..] if *byte == delimiter => at += 1,
                [b'\n', ..] => return Record { end: End::Complete { content: at, consumed: at + 1 }, fields },
                [b'\r', b'\n', ..] => return Record { end: End::Complete { content: at, consumed: at + 2 }, fields },
                [] | [b'\r'] => return Record { end: at_the_end(text, is_last), fields },
                _ => return Record { end: End::Broken, fields },
            }
            continue;
        }
        while at < text.len() && text[at] != delimiter && text[at] != b'\n' {
            field.push(text[at]);
            at += 1;
        }
        let is_over = at == text.len();
        let has_return = field.last() == Some(&b'\r');
        if (is_over || text[at] == b'\n') && has_return {
            field.pop();
        }
        fields.push(field);
        if is_over {
            return Record { end: at_the_end(text, is_last), fields };
        }
        if text[at] == b'\n' {
            let content = if has_return { at - 1 } else { at };
            return Record { end: End::Complete { content, consumed: at + 1 }, fields };
        }
        at += 1;
    }
}

/// Runs of blanks and tabs separate fields; those at a line's start and end are ignored.
fn separated(text: &[u8], quote: Option<u8>, is_last: bool) -> Record {
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        while at < text.len() && (text[at] == b' ' || text[at] == b'\t') {
            at += 1;
        }
        match &text[at..] {
            [b'\n', ..] => return Record { end: End::Complete { content: at, consumed: at + 1 }, fields },
            [b'\r', b'\n', ..] => return Record { end: End::Complete { content: at, consumed: at + 2 }, fields },
            [] | [b'\r'] => return Record { end: at_the_end(text, is_last), fields },
            _ => {}
        }
        if let Some(quote) = quote.filter(|quote| text.get(at) == Some(quote)) {
            match quoted(text, at, quote, is_last) {
                Some((value, after)) => {
                    fields.push(value);
                    at = after;
                }
                None => return Record { end: End::Open { in_quotes: true }, fields },
            }
            match &text[at..] {
                [] | [b' ' | b'\t' | b'\n' | b'\r', ..] => {}
                _ => return Record { end: End::Broken, fields },
            }
            if matches!(&text[at..], [b'\r', after, ..] if *after != b'\n') {
                return Record { end: End::Broken, fields };
            }
            continue;
        }
        let start = at;
        while at < text.len() && !matches!(text[at], b' ' | b'\t' | b'\n') {
            at += 1;
        }
        if at == text.len() && !is_last {
            return Record { end: End::Open { in_quotes: false }, fields };
        }
        if (at == text.len() || text[at] == b'\n') && text[at - 1] == b'\r' {
            at -= 1;
        }
        fields.push(text[start..at].to_vec());
    }
}

fn at_the_end(text: &[u8], is_last: bool) -> End {
    if is_last { End::Complete { content: text.len(), consumed: text.len() } } else { End::Open { in_quotes: false } }
}

/// The value between quotes, and where it is over; `None`: it is not.
fn quoted(text: &[u8], start: usize, quote: u8, is_last: bool) -> Option<(Vec<u8>, usize)> {
    let (mut value, mut at) = (Vec::new(), start + 1);
    loop {
        if *text.get(at)? != quote {
            value.push(text[at]);
            at += 1;
            continue;
        }
        match text.get(at + 1) {
            Some(next) if *next == quote => {
                value.push(quote);
                at += 2;
            }
            // It may be the first of two.
            None if !is_last => return None,
            _ => return Some((value, at + 1)),
        }
    }
}
