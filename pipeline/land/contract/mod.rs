//! The source contract, compiled: what every value must be, and how text becomes it.
//!
//! One path for good and bad rows: a column is cast as a whole from the cells of a chunk, and the rows that fail are
//! noted on the way. Nothing here reads or writes.

mod cast;
mod cells;
mod compile;
mod number;
mod refusal;
mod time;
mod typed;

pub(crate) use cast::cast_column;
pub(crate) use cells::{Cell, CellKind, CellSource};
pub use compile::ContractError;
pub(crate) use compile::{Column, Contract, arrow_type};
pub(crate) use refusal::{Refusals, hide_value, shown_text};
pub(crate) use time::DayCache;
pub(crate) use typed::cast_array;
