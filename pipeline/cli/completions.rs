//! `lifecycle completions`: a completion script on stdout.

use clap::CommandFactory;

use super::arguments::{Arguments, CompletionsArguments};
use super::context::Context;
use super::{ExitCode, Failure};

/// Prints the script of a shell.
pub fn execute(arguments: &CompletionsArguments, context: &Context) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "lifecycle", &mut script);
    context.output.text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}
