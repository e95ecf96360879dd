//! One row of a feed before it is written: its values, and what it means for the planted facts.

use super::ledger::Fact;

/// A value as the generator knows it; the column decides how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Word(&'static str),
    Text(Box<str>),
    /// A prefix and a number: `Id('c', 123)` is `c000123`.
    Id(char, u32),
    Integer(i64),
    /// Money in hundredths.
    Cents(i64),
    Double(f64),
    Flag(bool),
    /// Seconds since 1970, UTC.
    Instant(i64),
    /// Seconds since 1970 of London's wall clock.
    Local(i64),
    /// Days since 1970.
    Date(i32),
}

impl Value {
    pub(super) fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn optional(value: Option<Self>) -> Self {
        value.unwrap_or(Self::Null)
    }
}

/// One row on its way into a file.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// In the order of the feed's columns.
    pub values: Vec<Value>,
    /// Rows of a file stand in this order; seconds since 1970.
    pub at: i64,
    /// What the row tells a reader who can read it.
    pub facts: Facts,
    pub handling: Handling,
}

/// What may still happen to a row on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// It may be broken, held back or sent twice.
    Plain,
    /// It arrives whole, on time and once: scripted rows, and those that have a newer version.
    Fixed,
    /// It has been held back.
    Late,
    /// It has been sent before.
    Copy,
}

/// Up to two facts of one row.
pub(super) type Facts = [Fact; 2];

/// The digits of an id with this prefix, before it grows.
pub(super) fn id_width(prefix: char) -> usize {
    match prefix {
        'o' | 'v' | 'm' => 8,
        's' | 'q' => 7,
        'c' | 'r' => 6,
        _ => 3,
    }
}

/// The text of an id. Visitors' ids are hexadecimal and scattered: a tracker does not count.
pub(super) fn push_id(text: &mut String, prefix: char, number: u32) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = match prefix {
        'a' => write!(text, "a{:08x}", scatter(number)),
        _ => write!(text, "{prefix}{number:0width$}", width = id_width(prefix)),
    };
}

pub(super) fn id_text(prefix: char, number: u32) -> String {
    let mut text = String::new();
    push_id(&mut text, prefix, number);
    text
}

/// A bijection on 32 bits: two visitors never share an id.
fn scatter(number: u32) -> u32 {
    let number = number.wrapping_mul(0x9E37_79B1) ^ 0x5BD1_E995;
    let number = (number ^ (number >> 15)).wrapping_mul(0x85EB_CA6B);
    number ^ (number >> 13)
}
