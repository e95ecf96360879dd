//! The arguments of `lifecycle rejected`.

use clap::{Args, Subcommand};

use crate::cli::batches::DataFormat;

/// `lifecycle rejected`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "lifecycle rejected [OPTIONS] [SOURCE]\n       lifecycle rejected replay [OPTIONS] [SOURCE]",
    after_help = "Examples:
  lifecycle rejected
  lifecycle rejected orders -n 100
  lifecycle rejected orders -o csv > refused.csv
  lifecycle rejected replay orders

Without a source: how many rows of each source were refused, by reason. Values of columns marked `pii` are masked."
)]
pub struct RejectedArguments {
    #[command(subcommand)]
    pub command: Option<RejectedCommand>,
    /// Show the refused rows of this source
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,
    /// The newest N
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
    /// How the rows are printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = DataFormat::Table)]
    pub format: DataFormat,
}

/// What to do with refused rows.
#[derive(Debug, Subcommand)]
pub enum RejectedCommand {
    /// Land refused rows again, when the source's contract has been mended
    Replay(ReplayArguments),
}

/// `lifecycle rejected replay`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle rejected replay orders --dry-run
  lifecycle rejected replay orders
  lifecycle rejected replay

Mend the contract in the job's file first. All objects of a source whose contract changed are read again, as in a run; of \
objects that are gone, the refused rows that were kept whole. Rows land once, however often this is repeated or killed. \
Nothing is published: the job's next run builds the days that were touched. Exits with 3 if a source failed and another \
did not.")]
pub struct ReplayArguments {
    /// Only this source; without it all that have refused rows
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,
    /// Say what would be read, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = DataFormat::Table)]
    pub format: DataFormat,
}
