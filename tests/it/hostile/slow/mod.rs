//! A slow, simple reader of text objects, written from the rules and not from the reader: one byte after the other, one record
//! after the other, nothing clever. What the real reader lands and refuses is compared with what this one says.

mod csv;
mod json;
mod unpack;
pub mod values;

pub use unpack::unpack;

use lifecycle::config::{Format, Source, UnknownColumns};

use values::Value;

/// What must become of an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Line, and the contract's columns as text.
    pub rows: Vec<(u64, Vec<String>)>,
    pub rejected: Vec<Refused>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub line: u64,
    pub offset: u64,
    /// The record's text, where all of it must have been kept.
    pub raw: Option<String>,
}

/// A record's values by column of the contract, or nothing where the record is no record.
type Fields = Option<Vec<Value>>;

/// A text object that is being read.
pub struct Reading<'t> {
    text: &'t [u8],
    /// Of the text's first byte in the object.
    base: u64,
    at: usize,
    line: u64,
    /// The rest of the object cannot be read: a record that is open at the end may go on there.
    is_broken: bool,
    limit: usize,
    outcome: Outcome,
}

/// How a record ends in the stretch in which it must.
enum End {
    /// Bytes of content, and with the line break.
    Complete {
        content: usize,
        consumed: usize,
    },
    /// Neither ended nor broken.
    Open {
        in_quotes: bool,
    },
    Broken,
}

/// Reads a text object whole. `is_broken`: more of it could not be decompressed.
pub fn read(source: &Source, text: &[u8], is_broken: bool, limit: usize) -> Outcome {
    let (text, base) = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, 3),
        None => (text, 0),
    };
    let reading = Reading { text, base, at: 0, line: 1, is_broken, limit, outcome: Outcome::default() };
    match &source.format {
        Format::Csv(options) => csv::read(reading, source, options),
        Format::NdJson => json::read(reading, source),
        Format::Parquet => unreachable!("no text"),
    }
}

impl<'t> Reading<'t> {
    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The bytes in which the next record must end; whether the object ends with them; whether the record may be too long.
    fn stretch(&self) -> (&'t [u8], bool, bool) {
        let rest = &self.text[self.at..];
        let is_cut = rest.len() > self.limit;
        let stretch = if is_cut { &rest[..self.limit + 1] } else { rest };
        (stretch, !is_cut && !self.is_broken, is_cut)
    }

    /// Passes over bytes, counting line breaks.
    fn pass(&mut self, bytes: usize) {
        for byte in &self.text[self.at..self.at + bytes] {
            if *byte == b'\n' {
                self.line += 1;
            }
        }
        self.at += bytes;
    }

    fn refuse(&mut self, raw: Option<&[u8]>) {
        let raw = raw.and_then(|raw| String::from_utf8(raw.to_vec()).ok());
        self.outcome.rejected.push(Refused { line: self.line, offset: self.base + self.at as u64, raw });
    }

    /// Refuses the first physical line of what is no record; `false`: its end is not there.
    fn refuse_line(&mut self) -> bool {
        let (stretch, is_last, is_cut) = self.stretch();
        if let Some(end) = stretch.iter().position(|byte| *byte == b'\n') {
            let content = if end > 0 && stretch[end - 1] == b'\r' { end - 1 } else { end };
            self.refuse(Some(&stretch[..content]));
            self.pass(end + 1);
            return true;
        }
        if is_cut {
            // Too long even for a line: its start is kept, and the rest passed over.
            self.refuse(None);
            match self.text[self.at..].iter().position(|byte| *byte == b'\n') {
                Some(end) => self.pass(end + 1),
                None => self.at = self.text.len(),
            }
            return true;
        }
        if is_last {
            self.refuse(Some(stretch));
            self.pass(stretch.len());
            return true;
        }
        false
    }

    /// Keeps or refuses a complete record.
    fn keep(&mut self, raw: &[u8], consumed: usize, fields: Fields) {
        match fields
            .filter(|_| std::str::from_utf8(raw).is_ok())
            .and_then(|fields| fields.iter().map(|value| value.landed.clone()).collect::<Option<Vec<_>>>())
        {
            Some(cells) => self.outcome.rows.push((self.line, cells)),
            None => self.refuse(Some(raw)),
        }
        self.pass(consumed);
    }

    fn finish(mut self) -> Outcome {
        if self.is_broken {
            self.refuse(None);
        }
        self.outcome
    }
}

fn is_strict(source: &Source) -> bool {
    source.unknown_columns == UnknownColumns::Reject
}
