//! One test binary: each further one would link DataFusion again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::type_complexity,
    reason = "a test that cannot go on fails by panicking, and what it prints is shown when it fails"
)]

mod backfill;
mod cli;
mod cloud;
mod config;
mod crash;
mod demo;
mod faults;
mod functions;
mod hostile;
mod independent;
mod land;
mod matrix;
mod memory;
mod models;
mod projects;
mod repair;
mod run;
mod schedule;
mod state;
mod storage;
mod watch;
