//! Reads a text object block by block: keeps the unfinished end of each block for the next one.

use memchr::memchr;

use super::super::contract::Contract;
use super::chunk::{Chunk, Record, Rejected, Rows, finish, start_of};
use arrow::error::ArrowError;

/// The byte order mark that some systems put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a scan of a stretch of text found, besides the chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Bytes that are done with; the rest waits for more.
    pub consumed: usize,
    /// Line breaks among them.
    pub lines: u64,
    /// What follows, up to the next line break, belongs to a line that was refused for its length.
    pub is_skipping: bool,
    /// The rest of the object cannot be read: the chunk's last record, which is refused, stands for all of it.
    pub is_fatal: bool,
    /// The chunk is full: there may be more records in what is left.
    pub is_full: bool,
}

/// Finds records and their values.
pub(crate) trait Scan {
    /// Scans whole records from the start of `text`, which begins at physical line `line` of the object.
    ///
    /// No record is longer than `limit` bytes. `at_end`: the text is the object's last.
    fn scan(&mut self, text: &[u8], line: u64, at_end: bool, limit: usize, chunk: &mut Chunk) -> Scanned;
    /// Each contract column's cell in a record.
    fn positions(&self) -> Vec<Option<usize>>;
    /// Landed names of added columns, so far.
    fn added_names(&self) -> &[String];
    /// The names of a record's fields, where they have an order.
    fn header(&self) -> Option<Vec<String>>;
}

/// The part of the text in which one record is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'t> {
    pub text: &'t [u8],
    /// The object ends with it.
    pub is_last: bool,
    /// It is longer than a record may be.
    pub is_cut: bool,
    limit: usize,
}

impl<'t> Window<'t> {
    pub fn new(text: &'t [u8], at_end: bool, limit: usize) -> Self {
        // One byte more than a record may have: its line break. A record that is open even then is too long.
        let is_cut = text.len() > limit;
        let text = if is_cut { &text[..=limit] } else { text };
        Self { text, is_last: at_end && !is_cut, is_cut, limit }
    }

    /// Refuses the first physical line; `false`: its end is not there yet, or it is too long to be kept whole.
    pub fn refuse_first_line(
        &self,
        reason: &str,
        start: usize,
        line: u64,
        chunk: &mut Chunk,
        scanned: &mut Scanned,
    ) -> bool {
        let place = |end: usize, scanned: &Scanned| Record {
            start: start as u32,
            end: (start + end) as u32,
            line: line + scanned.lines,
            cells: None,
        };
        match memchr(b'\n', self.text) {
            Some(end) => {
                let content = if end > 0 && self.text[end - 1] == b'\r' { end - 1 } else { end };
                chunk.refuse(place(content, scanned), reason);
                scanned.consumed = start + end + 1;
                scanned.lines += 1;
                true
            }
            None if self.is_cut => {
                let record = place(self.text.len(), scanned);
                chunk.refuse_more_than(
                    record,
                    format!("the record is longer than {} bytes; its start is kept", self.limit),
                );
                scanned.consumed = start + self.text.len();
                scanned.is_skipping = true;
                false
            }
            None if self.is_last => {
                chunk.refuse(place(self.text.len(), scanned), reason);
                scanned.consumed = start + self.text.len();
                true
            }
            None => false,
        }
    }
}

/// Reads one text object.
pub(crate) struct TextReader<'c, S> {
    contract: &'c Contract,
    scanner: S,
    record_limit: usize,
    pending: Vec<u8>,
    /// Of `pending` in the object.
    offset: u64,
    /// Of the start of `pending`, from 1.
    line: u64,
    is_skipping: bool,
    is_started: bool,
    pub is_fatal: bool,
}

impl<'c, S: Scan> TextReader<'c, S> {
    pub fn new(contract: &'c Contract, scanner: S, record_limit: usize) -> Self {
        Self {
            contract,
            scanner,
            record_limit: record_limit.max(1),
            pending: Vec::new(),
            offset: 0,
            line: 1,
            is_skipping: false,
            is_started: false,
            is_fatal: false,
        }
    }

    pub fn header(&self) -> Option<Vec<String>> {
        self.scanner.header()
    }

    /// Gives the rows of one record that was kept by itself, at its place in the object.
    pub fn record(mut self, text: &[u8], line: u64, offset: u64) -> Result<Vec<Rows>, ArrowError> {
        (self.line, self.offset, self.is_started) = (line, offset, true);
        self.pending = text.to_vec();
        self.advance(true)
    }

    /// Takes the next block and gives the rows of all records that it completes.
    pub fn push(&mut self, block: &[u8]) -> Result<Vec<Rows>, ArrowError> {
        self.pending.extend_from_slice(block);
        self.advance(false)
    }

    /// Ends the object; `broken`: why the rest of it cannot be read, which makes one refused record.
    pub fn end(&mut self, broken: Option<&str>) -> Result<Vec<Rows>, ArrowError> {
        let Some(reason) = broken else {
            return self.advance(true);
        };
        let mut all = Vec::new();
        if !self.is_started {
            // Too short for a byte order mark, and there will not be more.
            self.is_started = true;
            all = self.advance(false)?;
        }
        if self.is_fatal {
            return Ok(all);
        }
        let rejected = Rejected {
            line: self.line,
            offset: Some(self.offset),
            reason: reason.to_owned(),
            column: None,
            raw: start_of(&self.pending),
            is_whole: false,
        };
        let mut rows = finish(self.contract, Chunk::default(), &[], 0, &self.scanner.positions(), &[])?;
        rows.rejected.push(rejected);
        rows.records += 1;
        all.push(rows);
        Ok(all)
    }

    fn advance(&mut self, at_end: bool) -> Result<Vec<Rows>, ArrowError> {
        if self.is_fatal {
            self.pending.clear();
            return Ok(Vec::new());
        }
        if !self.is_started {
            if self.pending.len() < BYTE_ORDER_MARK.len() && !at_end {
                return Ok(Vec::new());
            }
            self.is_started = true;
            if self.pending.starts_with(BYTE_ORDER_MARK) {
                self.drop_front(BYTE_ORDER_MARK.len());
            }
        }
        let mut all = Vec::new();
        loop {
            if self.is_skipping {
                match memchr(b'\n', &self.pending) {
                    Some(end) => {
                        self.drop_front(end + 1);
                        self.line += 1;
                        self.is_skipping = false;
                    }
                    None => {
                        self.drop_front(self.pending.len());
                        break;
                    }
                }
            }
            let mut chunk = Chunk::default();
            let scanned = self.scanner.scan(&self.pending, self.line, at_end, self.record_limit, &mut chunk);
            if !chunk.records.is_empty() {
                let text = &self.pending[..scanned.consumed];
                let (positions, added) = (self.scanner.positions(), self.scanner.added_names());
                all.push(finish(self.contract, chunk, text, self.offset, &positions, added)?);
            }
            self.drop_front(scanned.consumed);
            self.line += scanned.lines;
            self.is_skipping = scanned.is_skipping;
            self.is_fatal = scanned.is_fatal;
            if !(self.is_skipping || scanned.is_full) || self.is_fatal {
                break;
            }
        }
        Ok(all)
    }

    fn drop_front(&mut self, bytes: usize) {
        self.pending.drain(..bytes);
        self.offset += bytes as u64;
    }
}
