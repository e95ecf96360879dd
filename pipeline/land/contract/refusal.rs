//! Rows that the contract refuses, and why.

use super::Column;

/// Why one row is refused: the first reason in the order of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The row's position in its chunk.
    pub row: u32,
    /// The contract's column, where the reason is a value.
    pub column: Option<String>,
    /// Plain words; values of pii columns are hidden.
    pub reason: String,
}

/// The refused rows of a chunk; a row keeps its first reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    list: Vec<Refusal>,
    refused: Vec<bool>,
}

impl Refusals {
    /// Refuses a row for a reason about the record as a whole.
    pub fn record(&mut self, row: usize, reason: impl Into<String>) {
        if self.mark(row) {
            self.list.push(Refusal { row: row as u32, column: None, reason: reason.into() });
        }
    }

    /// Refuses a row for one of its values; `reason` is only made for a row's first refusal.
    pub fn value(&mut self, row: usize, column: &Column, reason: impl FnOnce() -> String) {
        if self.mark(row) {
            self.list.push(Refusal { row: row as u32, column: Some(column.name.clone()), reason: reason() });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn is_refused(&self, row: usize) -> bool {
        self.refused.get(row).copied().unwrap_or(false)
    }

    /// In the order of rows.
    pub fn into_sorted(mut self) -> Vec<Refusal> {
        self.list.sort_by_key(|refusal| refusal.row);
        self.list
    }

    fn mark(&mut self, row: usize) -> bool {
        if self.refused.len() <= row {
            self.refused.resize(row + 1, false);
        }
        !std::mem::replace(&mut self.refused[row], true)
    }
}

/// Stands for a value that must not be shown.
const HIDDEN: &str = "(hidden)";
/// Longest part of a value that a reason quotes, in characters.
const SHOWN_CHARACTERS: usize = 80;

impl Column {
    /// A value as a reason may show it: shortened, on one line, hidden where the column is pii.
    pub(crate) fn shown(&self, value: &[u8]) -> String {
        if self.pii {
            return HIDDEN.to_owned();
        }
        shown_text(value)
    }
}

/// A reason without the value that it quotes.
pub(crate) fn hide_value(reason: &str) -> String {
    // The value follows a colon.
    reason.split_once(": ").map_or_else(|| reason.to_owned(), |(kind, _)| format!("{kind}: {HIDDEN}"))
}

/// A text as a reason may show it: shortened, on one line.
pub(crate) fn shown_text(text: &[u8]) -> String {
    let longest = 4 * (SHOWN_CHARACTERS + 1);
    let text = String::from_utf8_lossy(&text[..text.len().min(longest)]);
    let mut shown = String::with_capacity(text.len().min(SHOWN_CHARACTERS) + 2);
    shown.push('`');
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.push('`');
    shown
}
