//! `lifecycle why`.

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::parse_day;

/// `lifecycle why`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle why marts.churn
  lifecycle why intermediate.order_days 2025-12-06
  lifecycle why marts.churn_history 2025-12-06
  lifecycle why churn -o json

Says when the table, or the day of it, was last built, from which landed versions, what has landed since and what \
waits, what changed of its definition, and what the next run would do with it. Nothing is changed.")]
pub struct WhyArguments {
    /// The table: marts.churn, or churn where no other schema has one; a history is marts.churn_history
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// A day of a table that is built by days, or of a history
    #[arg(value_name = "DAY", value_parser = parse_day)]
    pub day: Option<NaiveDate>,
    /// The job that builds the table, where several do
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// The day of the next run [default: yesterday in the environment's zone]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub as_of: Option<NaiveDate>,
    /// How it is printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = WhyFormat::Text)]
    pub format: WhyFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhyFormat {
    // For people.
    Text,
    // One object.
    Json,
}
