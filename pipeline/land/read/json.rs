//! Scans NDJSON into records and cells: one strict JSON object a line, without building a tree of it.

use std::collections::HashMap;

use memchr::{memchr, memchr2};

use super::super::contract::{Cell, CellKind, Contract, shown_text};
use super::super::layout::{MOST_ADDED_COLUMNS, added_name};
use super::chunk::{Chunk, Record};
use super::text::{Scan, Scanned, Window};
use crate::config::UnknownColumns;

/// Deeper nesting is refused.
const DEEPEST: usize = 128;

/// What a key of a record is to the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Column(usize),
    Added(u32),
    Ignored,
    Unknown,
    /// One column too many to add.
    TooMany,
}

/// Scans the records of one NDJSON object.
pub(crate) struct JsonScanner<'c> {
    contract: &'c Contract,
    /// The keys of the record before, in its order: the next one nearly always has the same.
    expected: Vec<(Vec<u8>, Target)>,
    added: HashMap<Vec<u8>, Target>,
    added_names: Vec<String>,
}

impl<'c> JsonScanner<'c> {
    pub fn new(contract: &'c Contract) -> Self {
        Self { contract, expected: Vec::new(), added: HashMap::new(), added_names: Vec::new() }
    }

    fn target(&mut self, order: usize, key: &[u8]) -> Target {
        if let Some((expected, target)) = self.expected.get(order)
            && expected == key
        {
            return *target;
        }
        let target = match self.contract.by_raw_name(key) {
            Some(position) => Target::Column(position),
            None => self.unknown(key),
        };
        self.expected.truncate(order);
        if self.expected.len() == order && target != Target::TooMany {
            self.expected.push((key.to_vec(), target));
        }
        target
    }

    fn unknown(&mut self, key: &[u8]) -> Target {
        match self.contract.unknown {
            UnknownColumns::Ignore => Target::Ignored,
            UnknownColumns::Reject => Target::Unknown,
            UnknownColumns::Add => {
                if let Some(target) = self.added.get(key) {
                    return *target;
                }
                if self.added_names.len() == MOST_ADDED_COLUMNS {
                    return Target::TooMany;
                }
                let position = Target::Added(self.added_names.len() as u32);
                let names = &self.added_names;
                let raw = String::from_utf8_lossy(key);
                let name = added_name(self.contract, &raw, |taken| names.iter().any(|name| name == taken));
                self.added_names.push(name);
                self.added.insert(key.to_vec(), position);
                position
            }
        }
    }

    /// Forgets the columns that a refused record would have added.
    fn forget_from(&mut self, names: usize) {
        self.added_names.truncate(names);
        self.added.retain(|_, target| !matches!(target, Target::Added(position) if *position as usize >= names));
        self.expected.clear();
    }

    /// Reads one line; the error says why it is refused.
    fn line(&mut self, text: &[u8], base: usize, chunk: &mut Chunk) -> Result<(), String> {
        let row = chunk.records.len() as u32;
        let (first, first_added) = (chunk.cells.len(), chunk.added.len());
        chunk.cells.resize(first + self.contract.columns.len(), Cell::default());
        let mut unknown = None;
        let mut reader = Reader { text, at: 0 };
        reader.blanks();
        if !reader.take(b'{') {
            return Err("the line is not a JSON object".to_owned());
        }
        reader.blanks();
        let mut order = 0;
        if !reader.take(b'}') {
            loop {
                reader.blanks();
                let key = reader.string()?;
                let unescaped;
                let key_text = if key.has_escapes {
                    let mut buffer = Vec::new();
                    unescape(&text[key.start..key.end], &mut buffer)?;
                    unescaped = buffer;
                    &unescaped[..]
                } else {
                    &text[key.start..key.end]
                };
                reader.blanks();
                if !reader.take(b':') {
                    return Err(reader.expected("`:`"));
                }
                reader.blanks();
                let target = self.target(order, key_text);
                order += 1;
                let cell = reader.value(base, chunk)?;
                match target {
                    Target::Column(position) => {
                        let slot = &mut chunk.cells[first + position];
                        // Zero length without a kind is a slot that nothing has filled.
                        if *slot != Cell::default() {
                            let name = &self.contract.columns[position].raw_name;
                            return Err(format!("`{name}` stands twice in the record"));
                        }
                        *slot = cell;
                    }
                    Target::Added(position) => {
                        if chunk.added[first_added..].iter().any(|(_, known, _)| *known == position) {
                            return Err(format!("{} stands twice in the record", shown_text(key_text)));
                        }
                        chunk.added.push((row, position, cell));
                    }
                    Target::Ignored => {}
                    Target::Unknown => {
                        unknown
                            .get_or_insert_with(|| format!("{} is not a column of the contract", shown_text(key_text)));
                    }
                    Target::TooMany => {
                        unknown.get_or_insert_with(|| {
                            format!("the object adds more than {MOST_ADDED_COLUMNS} columns to the contract's")
                        });
                    }
                }
                reader.blanks();
                if reader.take(b',') {
                    continue;
                }
                if reader.take(b'}') {
                    break;
                }
                return Err(reader.expected("`,` or `}`"));
            }
        }
        reader.blanks();
        if reader.at < text.len() {
            return Err(reader.expected("the end of the line"));
        }
        unknown.map_or(Ok(()), Err)
    }
}

impl Scan for JsonScanner<'_> {
    fn scan(&mut self, text: &[u8], line: u64, at_end: bool, limit: usize, chunk: &mut Chunk) -> Scanned {
        let mut scanned = Scanned::default();
        while scanned.consumed < text.len() {
            if chunk.is_full() {
                scanned.is_full = true;
                return scanned;
            }
            let start = scanned.consumed;
            let window = Window::new(&text[start..], at_end, limit);
            let (content, consumed, breaks) = match memchr(b'\n', window.text) {
                Some(end) => (end, end + 1, 1),
                None if window.is_last => (window.text.len(), window.text.len(), 0),
                None => {
                    window.refuse_first_line("", start, line, chunk, &mut scanned);
                    return scanned;
                }
            };
            let bytes = &window.text[..content];
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let record = Record {
                start: start as u32,
                end: (start + bytes.len()) as u32,
                line: line + scanned.lines,
                cells: Some(chunk.cells.len() as u32),
            };
            scanned.consumed += consumed;
            scanned.lines += breaks;
            if bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            let (cells, scratch, added) = (chunk.cells.len(), chunk.scratch.len(), chunk.added.len());
            let names = self.added_names.len();
            match self.line(bytes, start, chunk) {
                Ok(()) => chunk.records.push(record),
                Err(reason) => {
                    chunk.cells.truncate(cells);
                    chunk.scratch.truncate(scratch);
                    chunk.added.truncate(added);
                    if self.added_names.len() > names {
                        self.forget_from(names);
                    }
                    chunk.refuse(record, reason);
                }
            }
        }
        scanned
    }

    fn positions(&self) -> Vec<Option<usize>> {
        (0..self.contract.columns.len()).map(Some).collect()
    }

    fn added_names(&self) -> &[String] {
        &self.added_names
    }

    fn header(&self) -> Option<Vec<String>> {
        None
    }
}

/// The content of a JSON string, without its quotes.
struct JsonString {
    start: usize,
    end: usize,
    has_escapes: bool,
}

/// Reads JSON from a line; every error says at which byte.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn expected(&self, what: &str) -> String {
        if self.at >= self.text.len() {
            format!("the line is not JSON: it ends where {what} was expected")
        } else {
            format!("the line is not JSON: {what} was expected at byte {}", self.at + 1)
        }
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, base: usize, chunk: &mut Chunk) -> Result<Cell, String> {
        let start = self.at;
        let cell = |start: usize, end: usize, kind| Cell { start: start as u32, length: (end - start) as u32, kind };
        match self.text.get(self.at) {
            Some(b'"') => {
                let string = self.string()?;
                if !string.has_escapes {
                    return Ok(cell(base + string.start, base + string.end, CellKind::Text));
                }
                let from = chunk.scratch.len();
                unescape(&self.text[string.start..string.end], &mut chunk.scratch)?;
                Ok(cell(from, chunk.scratch.len(), CellKind::Unescaped))
            }
            Some(b'{' | b'[') => {
                self.nested()?;
                Ok(cell(base + start, base + self.at, CellKind::Nested))
            }
            Some(b'n') => {
                self.word(b"null")?;
                // The range marks the slot as filled.
                Ok(cell(base + start, base + self.at, CellKind::Missing))
            }
            _ => {
                self.scalar()?;
                Ok(cell(base + start, base + self.at, CellKind::Bare))
            }
        }
    }

    fn scalar(&mut self) -> Result<(), String> {
        match self.text.get(self.at) {
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), String> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.expected("a value"))
    }

    fn digits(&mut self) -> Result<(), String> {
        let from = self.at;
        while matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), String> {
        self.take(b'-');
        if self.take(b'0') {
            if matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
                return Err(self.expected("no digit after a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<JsonString, String> {
        if !self.take(b'"') {
            return Err(self.expected("`\"`"));
        }
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let Some(found) = memchr2(b'"', b'\\', &self.text[self.at..]) else {
                self.at = self.text.len();
                return Err(self.expected("`\"`"));
            };
            self.at += found;
            if self.text[self.at] == b'"' {
                break;
            }
            has_escapes = true;
            self.at = (self.at + 2).min(self.text.len());
        }
        let end = self.at;
        self.at += 1;
        if let Some(control) = self.text[start..end].iter().position(|byte| *byte < 0x20) {
            self.at = start + control;
            return Err(self.expected("no control character"));
        }
        Ok(JsonString { start, end, has_escapes })
    }

    /// Passes over an object or array, checking it all the same.
    fn nested(&mut self) -> Result<(), String> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            // A value is due here.
            self.blanks();
            match self.text.get(self.at) {
                Some(&bracket @ (b'{' | b'[')) => {
                    if open.len() == DEEPEST {
                        return Err(format!("the record is nested deeper than {DEEPEST} levels"));
                    }
                    open.push(bracket);
                    self.at += 1;
                    self.blanks();
                    if !self.take(if bracket == b'{' { b'}' } else { b']' }) {
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    open.pop();
                }
                Some(b'"') => {
                    let string = self.string()?;
                    if string.has_escapes {
                        unescape(&self.text[string.start..string.end], &mut Vec::new())?;
                    }
                }
                _ => self.scalar()?,
            }
            // A value has ended: close what ends with it, or go on to the next one.
            loop {
                let Some(&bracket) = open.last() else {
                    return Ok(());
                };
                self.blanks();
                if self.take(b',') {
                    if bracket == b'{' {
                        self.blanks();
                        self.key()?;
                    }
                    break;
                }
                if !self.take(if bracket == b'{' { b'}' } else { b']' }) {
                    return Err(self.expected("`,` or a closing bracket"));
                }
                open.pop();
            }
        }
    }

    fn key(&mut self) -> Result<(), String> {
        let key = self.string()?;
        if key.has_escapes {
            unescape(&self.text[key.start..key.end], &mut Vec::new())?;
        }
        self.blanks();
        if self.take(b':') { Ok(()) } else { Err(self.expected("`:`")) }
    }
}

/// Appends the text of a JSON string with its escapes resolved.
fn unescape(text: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        into.extend_from_slice(&rest[..at]);
        let (byte, used) = match rest.get(at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => (byte, 2),
            Some(b'b') => (0x08, 2),
            Some(b'f') => (0x0c, 2),
            Some(b'n') => (b'\n', 2),
            Some(b'r') => (b'\r', 2),
            Some(b't') => (b'\t', 2),
            Some(b'u') => {
                let (character, used) = unicode_escape(&rest[at..])?;
                into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[at + used..];
                continue;
            }
            _ => return Err("the line is not JSON: an escape in a string is none of JSON's".to_owned()),
        };
        into.push(byte);
        rest = &rest[at + used..];
    }
    into.extend_from_slice(rest);
    Ok(())
}

/// Reads `\u` and its four hexadecimal digits, or two of these that make one character; and how many bytes they are.
fn unicode_escape(text: &[u8]) -> Result<(char, usize), String> {
    let refused = || "the line is not JSON: an escape in a string is not a character".to_owned();
    let unit = |text: &[u8]| -> Option<u32> {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
    };
    let first = unit(text).ok_or_else(refused)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Ok((char::from_u32(first).ok_or_else(refused)?, 6));
    }
    let second = unit(&text[6..]).filter(|unit| (0xdc00..0xe000).contains(unit)).ok_or_else(refused)?;
    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Ok((char::from_u32(code).ok_or_else(refused)?, 12))
}
