//! Builds the tables: sessions, models in order, and the functions that SQL calls.

pub mod functions;
