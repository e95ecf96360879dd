//! Scans CSV into records and cells: quotes, line breaks within quotes, headers, blanks as delimiters.
//!
//! A record whose quoting is broken is its first physical line: it is refused, and reading goes on at the next line, so
//! that one stray quote does not swallow the rest of the file.

use std::collections::HashMap;

use memchr::memchr;

use super::super::contract::{Cell, CellKind, Contract, shown_text};
use super::super::layout::{MOST_ADDED_COLUMNS, added_name};
use super::chunk::{Chunk, Record};
use super::text::{Scan, Scanned, Window};
use crate::config::{CsvOptions, Delimiter, UnknownColumns};

/// A header with more fields is no header: each of its lines would take room for all of them.
const MOST_FIELDS: usize = 10_000;

/// What an object's fields mean.
#[derive(Debug, Clone, Default)]
struct Header {
    /// Fields of a record.
    width: usize,
    /// Each contract column's field.
    positions: Vec<Option<usize>>,
    /// Fields that are added, and their landed names.
    added: Vec<(usize, String)>,
    /// A field that the contract refuses.
    unknown: Option<String>,
    names: Vec<String>,
}

/// Scans the records of one CSV object.
pub(crate) struct CsvScanner<'c> {
    contract: &'c Contract,
    options: CsvOptions,
    header: Option<Header>,
    added_names: Vec<String>,
}

/// How a record ended.
enum End {
    /// Bytes of content, and bytes with the line break; line breaks within.
    Complete {
        content: usize,
        consumed: usize,
        breaks: u64,
    },
    /// The window ends within the record; whether within quotes.
    Open {
        in_quotes: bool,
    },
    Broken(&'static str),
}

impl<'c> CsvScanner<'c> {
    pub fn new(contract: &'c Contract, options: &CsvOptions) -> Self {
        let header = (!options.header).then(|| Header {
            width: contract.columns.len(),
            positions: (0..contract.columns.len()).map(Some).collect(),
            names: contract.columns.iter().map(|column| column.raw_name.clone()).collect(),
            ..Header::default()
        });
        Self { contract, options: options.clone(), header, added_names: Vec::new() }
    }

    /// Takes the names of the fields; the error says why the object cannot be read with them.
    pub fn read_header(&mut self, names: Vec<String>) -> Result<(), String> {
        let mut header =
            Header { width: names.len(), positions: vec![None; self.contract.columns.len()], ..Header::default() };
        let mut seen = HashMap::new();
        for (field, name) in names.iter().enumerate() {
            if let Some(column) = self.contract.by_raw_name(name.as_bytes()) {
                if header.positions[column].replace(field).is_some() {
                    return Err(format!("`{name}` stands twice in the header"));
                }
                continue;
            }
            match self.contract.unknown {
                UnknownColumns::Ignore => {}
                UnknownColumns::Reject => {
                    header.unknown.get_or_insert_with(|| name.clone());
                }
                UnknownColumns::Add if header.added.len() == MOST_ADDED_COLUMNS => {
                    return Err(format!("the object adds more than {MOST_ADDED_COLUMNS} columns to the contract's"));
                }
                UnknownColumns::Add => {
                    let landed = added_name(self.contract, name, |taken| seen.contains_key(taken));
                    seen.insert(landed.clone(), field);
                    header.added.push((field, landed));
                }
            }
        }
        if header.positions.iter().all(Option::is_none) && !self.contract.columns.is_empty() {
            return Err("the header has none of the contract's columns".to_owned());
        }
        self.added_names = header.added.iter().map(|(_, name)| name.clone()).collect();
        header.names = names;
        self.header = Some(header);
        Ok(())
    }

    /// Finds one record's fields, and how many there are.
    fn record(&self, window: Window<'_>, base: usize, chunk: &mut Chunk) -> (End, usize) {
        let most = self.header.as_ref().map_or(MOST_FIELDS, |header| header.width);
        let mut fields = Fields { window, base, at: 0, breaks: 0, quote: self.options.quote, chunk, most, count: 0 };
        let end = match self.options.delimiter {
            Delimiter::Byte(delimiter) => fields.delimited(delimiter),
            Delimiter::Whitespace => fields.blank_separated(),
        };
        (end, fields.count)
    }

    /// Keeps a complete record: its cells become those of the contract, or it is refused for their number.
    fn keep(&self, header: &Header, record: Record, first_cell: usize, found: usize, chunk: &mut Chunk) {
        let width = header.width;
        let is_short_but_allowed = !self.options.header && found < width;
        if found != width && !is_short_but_allowed {
            chunk.cells.truncate(first_cell);
            let has = if found == 1 { "1 field".to_owned() } else { format!("{found} fields") };
            let whose = if self.options.header { "header" } else { "contract" };
            chunk.refuse(record, format!("the record has {has} where the {whose} has {width}"));
            return;
        }
        chunk.cells.resize(first_cell + width, Cell::default());
        let row = chunk.records.len();
        if found < width {
            chunk.short.push(row as u32);
        }
        if let Some(name) = &header.unknown {
            chunk.refusals.record(row, format!("{} is not a column of the contract", shown_text(name.as_bytes())));
        }
        for (position, (field, _)) in header.added.iter().enumerate() {
            let cell = chunk.cells[first_cell + field];
            if cell.kind != CellKind::Missing {
                chunk.added.push((row as u32, position as u32, cell));
            }
        }
        chunk.records.push(record);
    }
}

impl Scan for CsvScanner<'_> {
    fn scan(&mut self, text: &[u8], line: u64, at_end: bool, limit: usize, chunk: &mut Chunk) -> Scanned {
        let mut scanned = Scanned::default();
        while scanned.consumed < text.len() {
            if chunk.is_full() {
                scanned.is_full = true;
                return scanned;
            }
            let start = scanned.consumed;
            let window = Window::new(&text[start..], at_end, limit);
            let first_cell = chunk.cells.len();
            let first_scratch = chunk.scratch.len();
            let place = |end: usize| Record {
                start: start as u32,
                end: (start + end) as u32,
                line: line + scanned.lines,
                cells: Some(first_cell as u32),
            };
            let (end, found) = self.record(window, start, chunk);
            let broken = match end {
                End::Complete { content, consumed, breaks } => {
                    let record = place(content);
                    scanned.consumed += consumed;
                    scanned.lines += breaks;
                    if found == 0 {
                        continue;
                    }
                    match &self.header {
                        Some(header) => self.keep(header, record, first_cell, found, chunk),
                        None if found > MOST_FIELDS => {
                            chunk.cells.truncate(first_cell);
                            chunk.refuse_more_than(record, format!("the header has more than {MOST_FIELDS} fields"));
                            scanned.is_fatal = true;
                            return scanned;
                        }
                        None => {
                            let names = chunk.cells[first_cell..]
                                .iter()
                                .map(|cell| String::from_utf8_lossy(chunk.bytes(text, *cell)).trim().to_owned())
                                .collect();
                            chunk.cells.truncate(first_cell);
                            if let Err(reason) = self.read_header(names) {
                                chunk.refuse_more_than(record, reason);
                                scanned.is_fatal = true;
                                return scanned;
                            }
                        }
                    }
                    continue;
                }
                End::Open { in_quotes: false } if window.is_cut => "the record is too long",
                End::Open { in_quotes: true } if at_end || window.is_cut => "a quote is opened and not closed",
                End::Open { .. } => {
                    chunk.cells.truncate(first_cell);
                    chunk.scratch.truncate(first_scratch);
                    return scanned;
                }
                End::Broken(reason) => reason,
            };
            chunk.cells.truncate(first_cell);
            chunk.scratch.truncate(first_scratch);
            let is_read = window.refuse_first_line(broken, start, line, chunk, &mut scanned);
            if self.header.is_none() && !chunk.records.is_empty() {
                // The line stands for the whole object.
                chunk.partial = vec![0];
                scanned.is_fatal = true;
            }
            if !is_read || scanned.is_fatal {
                return scanned;
            }
        }
        scanned
    }

    fn positions(&self) -> Vec<Option<usize>> {
        match &self.header {
            Some(header) => header.positions.clone(),
            None => vec![None; self.contract.columns.len()],
        }
    }

    fn added_names(&self) -> &[String] {
        &self.added_names
    }

    fn header(&self) -> Option<Vec<String>> {
        self.header.as_ref().map(|header| header.names.clone())
    }
}

/// The fields of one record, as they are found.
struct Fields<'w, 'k> {
    window: Window<'w>,
    /// Where the window begins in the scanned text.
    base: usize,
    at: usize,
    breaks: u64,
    quote: Option<u8>,
    chunk: &'k mut Chunk,
    /// More cells are counted, but not kept.
    most: usize,
    count: usize,
}

impl Fields<'_, '_> {
    fn push(&mut self, start: usize, end: usize, kind: CellKind) {
        self.count += 1;
        if self.count > self.most {
            return;
        }
        let kind = if start == end { CellKind::Missing } else { kind };
        let base = if kind == CellKind::Unescaped { 0 } else { self.base };
        self.chunk.cells.push(Cell { start: (base + start) as u32, length: (end - start) as u32, kind });
    }

    fn delimited(&mut self, delimiter: u8) -> End {
        let text = self.window.text;
        // An empty line is no record.
        match text {
            [b'\n', ..] => return End::Complete { content: 0, consumed: 1, breaks: 1 },
            [b'\r', b'\n', ..] => return End::Complete { content: 0, consumed: 2, breaks: 1 },
            _ => {}
        }
        loop {
            if self.quote.is_some() && text.get(self.at).copied() == self.quote {
                if let Some(end) = self.quoted() {
                    return end;
                }
                match self.text_after_quote(&[delimiter]) {
                    After::Delimiter => self.at += 1,
                    After::End(end) => return end,
                }
                continue;
            }
            let start = self.at;
            let found = text[start..].iter().position(|&byte| byte == delimiter || byte == b'\n');
            let Some(found) = found else {
                return self.open_end(start);
            };
            let end = start + found;
            if text[end] == b'\n' {
                let content = if end > start && text[end - 1] == b'\r' { end - 1 } else { end };
                self.push(start, content, CellKind::Text);
                return End::Complete { content, consumed: end + 1, breaks: self.breaks + 1 };
            }
            self.push(start, end, CellKind::Text);
            self.at = end + 1;
        }
    }

    fn blank_separated(&mut self) -> End {
        let text = self.window.text;
        loop {
            while matches!(text.get(self.at), Some(b' ' | b'\t')) {
                self.at += 1;
            }
            match &text[self.at..] {
                [] => return self.end_of_window(),
                [b'\n', ..] => {
                    return End::Complete { content: self.at, consumed: self.at + 1, breaks: self.breaks + 1 };
                }
                [b'\r', b'\n', ..] => {
                    return End::Complete { content: self.at, consumed: self.at + 2, breaks: self.breaks + 1 };
                }
                [b'\r'] => return self.end_of_window(),
                _ => {}
            }
            if self.quote.is_some() && text.get(self.at).copied() == self.quote {
                if let Some(end) = self.quoted() {
                    return end;
                }
                match self.text_after_quote(b" \t") {
                    After::Delimiter => continue,
                    After::End(end) => return end,
                }
            }
            let start = self.at;
            let length = text[start..].iter().take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n')).count();
            let mut end = start + length;
            if end == text.len() && !self.window.is_last {
                return End::Open { in_quotes: false };
            }
            self.at = end;
            if text.get(end).is_none_or(|byte| *byte == b'\n') && text[end - 1] == b'\r' {
                end -= 1;
                self.at = end;
            }
            self.push(start, end, CellKind::Text);
        }
    }

    /// The end of the window where a record may end: complete if nothing follows.
    fn end_of_window(&self) -> End {
        if self.window.is_last {
            End::Complete { content: self.window.text.len(), consumed: self.window.text.len(), breaks: self.breaks }
        } else {
            End::Open { in_quotes: false }
        }
    }

    /// An unquoted field that runs to the end of the window.
    fn open_end(&mut self, start: usize) -> End {
        if self.window.is_last {
            let text = &self.window.text[start..];
            let length = text.strip_suffix(b"\r").unwrap_or(text).len();
            self.push(start, start + length, CellKind::Text);
        }
        self.end_of_window()
    }

    /// Reads a quoted field; an end if the record ends with it for the worse.
    fn quoted(&mut self) -> Option<End> {
        let text = self.window.text;
        let quote = self.quote?;
        let start = self.at + 1;
        let scratch_start = self.chunk.scratch.len();
        let mut from = start;
        loop {
            let Some(found) = memchr(quote, &text[from..]) else {
                return Some(End::Open { in_quotes: true });
            };
            let end = from + found;
            match text.get(end + 1) {
                Some(&next) if next == quote => {
                    self.chunk.scratch.extend_from_slice(&text[from..=end]);
                    from = end + 2;
                }
                None if !self.window.is_last => return Some(End::Open { in_quotes: true }),
                _ => {
                    self.breaks += memchr::memchr_iter(b'\n', &text[start..end]).count() as u64;
                    self.at = end + 1;
                    if from == start {
                        self.push(start, end, CellKind::Text);
                    } else {
                        self.chunk.scratch.extend_from_slice(&text[from..end]);
                        self.push(scratch_start, self.chunk.scratch.len(), CellKind::Unescaped);
                    }
                    return None;
                }
            }
        }
    }

    fn text_after_quote(&self, delimiters: &[u8]) -> After {
        let text = self.window.text;
        let end = self.at;
        match &text[end..] {
            [byte, ..] if delimiters.contains(byte) => After::Delimiter,
            [b'\n', ..] => After::End(End::Complete { content: end, consumed: end + 1, breaks: self.breaks + 1 }),
            [b'\r', b'\n', ..] => {
                After::End(End::Complete { content: end, consumed: end + 2, breaks: self.breaks + 1 })
            }
            [] | [b'\r'] => After::End(self.end_of_window()),
            _ => After::End(End::Broken("text follows a closing quote")),
        }
    }
}

/// What stands after a closing quote.
enum After {
    Delimiter,
    End(End),
}
