//! NDJSON: JSON as RFC 8259 has it, one object a line, built as a tree.

use lifecycle::config::{Source, UnknownColumns};

use super::values::{Raw, cast};
use super::{Outcome, Reading, is_strict};

const DEEPEST: usize = 128;
const MOST_ADDED: usize = 200;

pub fn read(mut reading: Reading<'_>, source: &Source) -> Outcome {
    let mut added: Vec<Vec<u8>> = Vec::new();
    while !reading.is_at_end() {
        let (stretch, is_last, is_cut) = reading.stretch();
        let (content, consumed) = match stretch.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end, end + 1),
            None if is_last => (stretch.len(), stretch.len()),
            None if is_cut => {
                reading.refuse_line();
                continue;
            }
            None => break,
        };
        let line = &stretch[..content];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            reading.pass(consumed);
            continue;
        }
        let fields = object(line).and_then(|members| columns(source, &members, &mut added));
        reading.keep(line, consumed, fields);
    }
    reading.finish()
}

type Members = Vec<(Vec<u8>, Raw)>;

fn columns(source: &Source, members: &Members, added: &mut Vec<Vec<u8>>) -> super::Fields {
    let raw_name = |column: &lifecycle::config::ColumnContract| column.from.clone().unwrap_or(column.name.clone());
    let is_known = |key: &[u8]| source.columns.iter().any(|column| raw_name(column).as_bytes() == key);
    let unknown: Vec<&Vec<u8>> = members.iter().map(|(key, _)| key).filter(|key| !is_known(key)).collect();
    if !unknown.is_empty() && is_strict(source) {
        return None;
    }
    if source.unknown_columns == UnknownColumns::Add {
        let mut now = added.clone();
        for (place, key) in unknown.iter().enumerate() {
            if unknown[..place].contains(key) {
                return None;
            }
            if !now.contains(key) {
                now.push((*key).clone());
            }
        }
        if now.len() > MOST_ADDED {
            return None;
        }
        // A record that is refused for its keys adds none.
        if source.columns.iter().all(|column| count(members, raw_name(column).as_bytes()) < 2) {
            *added = now;
        }
    }
    let mut values = Vec::new();
    for column in &source.columns {
        let name = raw_name(column);
        if count(members, name.as_bytes()) > 1 {
            return None;
        }
        let raw = members.iter().find(|(key, _)| key == name.as_bytes()).map_or(Raw::Missing, |(_, raw)| raw.clone());
        values.push(cast(column, &raw));
    }
    Some(values)
}

fn count(members: &Members, name: &[u8]) -> usize {
    members.iter().filter(|(key, _)| key == name).count()
}

fn object(line: &[u8]) -> Option<Members> {
    let mut parser = Parser { text: line, at: 0 };
    parser.blanks();
    let members = parser.members(0)?;
    parser.blanks();
    (parser.at == line.len()).then_some(members)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        while self.at < self.text.len() && matches!(self.text[self.at], b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        if self.text.get(self.at) == Some(&byte) {
            self.at += 1;
            Some(())
        } else {
            None
        }
    }

    fn members(&mut self, depth: usize) -> Option<Members> {
        self.expect(b'{')?;
        let mut members = Vec::new();
        self.blanks();
        if self.expect(b'}').is_some() {
            return Some(members);
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            let value = self.value(depth)?;
            members.push((key, value));
            self.blanks();
            if self.expect(b',').is_some() {
                continue;
            }
            self.expect(b'}')?;
            return Some(members);
        }
    }

    fn value(&mut self, depth: usize) -> Option<Raw> {
        let start = self.at;
        match self.text.get(self.at)? {
            b'"' => return Some(Raw::Text(self.string()?)),
            b'{' | b'[' if depth == DEEPEST => return None,
            b'{' => {
                self.members(depth + 1)?;
                return Some(Raw::Nested);
            }
            b'[' => {
                self.at += 1;
                self.blanks();
                if self.expect(b']').is_some() {
                    return Some(Raw::Nested);
                }
                loop {
                    self.blanks();
                    self.value(depth + 1)?;
                    self.blanks();
                    if self.expect(b',').is_some() {
                        continue;
                    }
                    self.expect(b']')?;
                    return Some(Raw::Nested);
                }
            }
            _ => {}
        }
        for word in [&b"null"[..], b"true", b"false"] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                let raw = if word == b"null" { Raw::Missing } else { Raw::Text(word.to_vec()) };
                return Some(raw);
            }
        }
        let _ = self.expect(b'-');
        if self.expect(b'0').is_none() {
            self.digits()?;
        }
        if self.expect(b'.').is_some() {
            self.digits()?;
        }
        if self.expect(b'e').or_else(|| self.expect(b'E')).is_some() {
            let _ = self.expect(b'+').or_else(|| self.expect(b'-'));
            self.digits()?;
        }
        Some(Raw::Text(self.text[start..self.at].to_vec()))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.at < self.text.len() && self.text[self.at].is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.expect(b'"')?;
        let mut value = Vec::new();
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Some(value),
                0..=0x1f => return None,
                b'\\' => {
                    let escape = *self.text.get(self.at)?;
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' => value.push(escape),
                        b'b' => value.push(8),
                        b'f' => value.push(12),
                        b'n' => value.push(b'\n'),
                        b'r' => value.push(b'\r'),
                        b't' => value.push(b'\t'),
                        b'u' => {
                            let mut units = vec![self.unit()?];
                            if (0xd800..0xdc00).contains(&units[0]) {
                                self.expect(b'\\')?;
                                self.expect(b'u')?;
                                units.push(self.unit()?);
                            }
                            value.extend(String::from_utf16(&units).ok()?.into_bytes());
                        }
                        _ => return None,
                    }
                }
                byte => value.push(byte),
            }
        }
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}
