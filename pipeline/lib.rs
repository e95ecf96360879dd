//! `lifecycle`: from raw customer interactions to published customer-lifecycle tables.
//!
//! The layers in reading order, from the top floor to the ground. A module imports only from floors below it.

pub mod cli;

pub mod schedule;

pub mod run;

pub mod check;
pub mod demo;
pub mod dictionary;
pub mod land;
pub mod plan;
pub mod publish;
pub mod transform;
pub mod watch;

pub mod config;
pub mod interrupt;
pub mod progress;
pub mod state;
pub mod storage;
