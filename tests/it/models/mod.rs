//! The SQL models on small tables: the cases of `tests/sql/`, and what must hold for all of them.

mod bad_input;
mod builder;
mod cases;
mod everywhere;
mod feeds;
mod random_business;
mod values;
