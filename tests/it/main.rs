//! One test binary: each further one would link DataFusion again.

mod cli;
mod config;
mod demo;
mod functions;
mod independent;
mod land;
mod models;
mod projects;
mod run;
mod state;
mod storage;
