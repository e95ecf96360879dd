//! Runs that are tried again, facts that come late, and why a table is what it is.

mod gone;
mod killed;
pub mod late;
mod left;
mod retries;
mod why;
