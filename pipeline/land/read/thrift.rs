//! Looks at what a Parquet object promises before its decoder believes it.
//!
//! The decoder sets memory aside by counts that stand in the object. A damaged one can ask for more than a machine has, and
//! then the system ends the process: no error that could be caught.

/// A page of more bytes is refused; writers make pages of about one megabyte.
const MOST_PAGE_BYTES: i64 = 256 << 20;
const MOST_BINARY_BYTES: u64 = 64 << 20;
const DEEPEST: u32 = 32;

const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Why a structure is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The bytes end, or are no such structure: the decoder says so itself.
    NotReadable,
    Refused(&'static str),
}

/// Checks an object's footer: no list promises more elements than there are bytes.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), &'static str> {
    outcome(Walker { bytes, at: 0 }.structure(0))
}

/// Checks the headers of the pages of a column, one after the other.
pub(super) fn check_pages(bytes: &[u8]) -> Result<(), &'static str> {
    let mut walker = Walker { bytes, at: 0 };
    while walker.at < bytes.len() {
        match walker.page() {
            Ok(compressed) => match usize::try_from(compressed) {
                Ok(compressed) => walker.at = walker.at.saturating_add(compressed),
                Err(_) => return Err("a page has a negative size"),
            },
            Err(stop) => return outcome(Err(stop)),
        }
    }
    Ok(())
}

fn outcome(walked: Result<(), Stop>) -> Result<(), &'static str> {
    match walked {
        Err(Stop::Refused(reason)) => Err(reason),
        Ok(()) | Err(Stop::NotReadable) => Ok(()),
    }
}

/// Walks over structures in Thrift's compact protocol.
struct Walker<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Walker<'_> {
    fn left(&self) -> u64 {
        self.bytes.len().saturating_sub(self.at) as u64
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.bytes.get(self.at).copied().ok_or(Stop::NotReadable)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, Stop> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::NotReadable)
    }

    fn signed(&mut self) -> Result<i64, Stop> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, bytes: u64) -> Result<(), Stop> {
        let bytes = usize::try_from(bytes).map_err(|_| Stop::NotReadable)?;
        self.at = self.at.checked_add(bytes).ok_or(Stop::NotReadable)?;
        Ok(())
    }

    /// The next field's number and type; `None` at the structure's end.
    fn field(&mut self, before: i64) -> Result<Option<(i64, u8)>, Stop> {
        let header = self.byte()?;
        if header & 0x0f == STOP {
            return Ok(None);
        }
        let number = match header >> 4 {
            0 => self.signed()?,
            step => before + i64::from(step),
        };
        Ok(Some((number, header & 0x0f)))
    }

    fn structure(&mut self, depth: u32) -> Result<(), Stop> {
        let mut number = 0;
        while let Some((field, kind)) = self.field(number)? {
            number = field;
            self.value(kind, depth)?;
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, depth: u32) -> Result<(), Stop> {
        if depth > DEEPEST {
            return Err(Stop::Refused("its metadata are nested too deep"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.unsigned().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.unsigned()?;
                if length > self.left() && length > MOST_BINARY_BYTES {
                    return Err(Stop::Refused("a text of its metadata is longer than the object"));
                }
                self.pass(length)
            }
            LIST | SET => {
                let header = self.byte()?;
                let size = match header >> 4 {
                    15 => self.unsigned()?,
                    size => u64::from(size),
                };
                self.elements(size, header & 0x0f, depth)
            }
            MAP => {
                let size = self.unsigned()?;
                if size == 0 {
                    return Ok(());
                }
                self.check_count(size)?;
                let kinds = self.byte()?;
                for _ in 0..size {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0f, depth)?;
                }
                Ok(())
            }
            STRUCT => self.structure(depth + 1),
            _ => Err(Stop::NotReadable),
        }
    }

    /// Each element takes a byte at least.
    fn check_count(&self, size: u64) -> Result<(), Stop> {
        if size > self.left() { Err(Stop::Refused("its metadata promise more than the object holds")) } else { Ok(()) }
    }

    fn elements(&mut self, size: u64, kind: u8, depth: u32) -> Result<(), Stop> {
        self.check_count(size)?;
        for _ in 0..size {
            self.element(kind, depth)?;
        }
        Ok(())
    }

    fn element(&mut self, kind: u8, depth: u32) -> Result<(), Stop> {
        match kind {
            // Within lists a boolean takes a byte.
            TRUE | FALSE => self.pass(1),
            kind => self.value(kind, depth + 1),
        }
    }

    /// Reads a page's header; gives the bytes of the page that follows.
    fn page(&mut self) -> Result<i64, Stop> {
        const UNCOMPRESSED: i64 = 2;
        const COMPRESSED: i64 = 3;
        const DICTIONARY: i64 = 7;
        let (mut number, mut uncompressed, mut compressed, mut entries) = (0, 0, 0, 0);
        while let Some((field, kind)) = self.field(number)? {
            number = field;
            match (field, kind) {
                (UNCOMPRESSED, I32) => uncompressed = self.signed()?,
                (COMPRESSED, I32) => compressed = self.signed()?,
                (DICTIONARY, STRUCT) => entries = self.first_number()?,
                _ => self.value(kind, 0)?,
            }
        }
        if !(0..=MOST_PAGE_BYTES).contains(&uncompressed) {
            return Err(Stop::Refused("a page is larger than 256 MiB"));
        }
        // An entry takes a byte at least.
        if !(0..=uncompressed).contains(&entries) {
            return Err(Stop::Refused("a dictionary promises more than its page holds"));
        }
        Ok(compressed)
    }

    /// The field 1 of a structure, which is a number.
    fn first_number(&mut self) -> Result<i64, Stop> {
        let (mut number, mut first) = (0, 0);
        while let Some((field, kind)) = self.field(number)? {
            number = field;
            match (field, kind) {
                (1, I32) => first = self.signed()?,
                _ => self.value(kind, 1)?,
            }
        }
        Ok(first)
    }
}
