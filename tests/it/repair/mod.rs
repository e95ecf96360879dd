//! Runs that are tried again, facts that come late, and why a table is what it is.

mod killed;
pub mod late;
mod retries;
mod why;
