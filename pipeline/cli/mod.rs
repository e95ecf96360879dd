//! The command line: one file per command, one printer ([`output`]), one place for exit codes ([`failure`]).

pub mod arguments;
pub mod backfill;
pub mod bars;
pub mod batches;
pub mod completions;
pub mod context;
pub mod demo;
pub mod docs;
pub mod doctor;
pub mod failure;
pub mod init;
pub mod logging;
pub mod notify;
pub mod numbers;
pub mod output;
pub mod panics;
pub mod plan;
pub mod query;
pub mod rejected;
pub mod replay;
pub mod rollback;
pub mod run;
pub mod runs;
pub mod schedule;
pub mod signals;
pub mod standing;
pub mod status;
pub mod suggest;
pub mod surroundings;
pub mod tables;
pub mod test;
pub mod text_table;
pub mod vacuum;
pub mod validate;
pub mod why;

use std::ffi::OsString;

use clap::Parser;

use arguments::{Arguments, Command};
use context::Context;
pub use failure::{ExitCode, Failure, Report};
use output::Output;

/// Reads the command line, does what it says, prints why where that fails, and returns the exit code.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; who closed them needs no telling.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
        }
    };
    let output = Output::new(&arguments.global);
    let traces = match logging::start(&arguments.global, &output) {
        Ok(traces) => traces,
        Err(error) => {
            let hint = "a collector's URL is written `http://127.0.0.1:4318`";
            output.failure(&Failure::Usage(Report::from_error(&error).hint(hint)));
            return ExitCode::Usage;
        }
    };
    panics::listen();
    let (interrupter, interrupt) = crate::interrupt::channel();
    let is_daemon = matches!(&arguments.command, Command::Schedule(schedule) if schedule.command.is_none());
    signals::listen(interrupter, output.clone(), is_daemon);
    let context = Context::new(&arguments.global, output.clone(), interrupt);
    let code = match execute(arguments.command, &context).await {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    };
    if let Some(traces) = traces
        && let Err(error) = traces.finish().await
    {
        output.warning(&error.to_string(), None);
    }
    panics::end();
    code
}

async fn execute(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        Command::Init(arguments) => init::execute(&arguments, context),
        Command::Status(arguments) => context.interruptible(status::execute(&arguments, context)).await,
        Command::Runs(arguments) => context.interruptible(runs::execute(&arguments, context)).await,
        Command::Doctor(arguments) => context.interruptible(doctor::execute(&arguments, context)).await,
        Command::Docs(arguments) => context.interruptible(docs::execute(&arguments, context)).await,
        Command::Completions(arguments) => completions::execute(&arguments, context),
        Command::Demo(arguments) => demo::execute(&arguments, context).await,
        Command::Validate(arguments) => context.interruptible(validate::execute(&arguments, context)).await,
        Command::Test(arguments) => context.interruptible(test::execute(&arguments, context)).await,
        Command::Plan(arguments) => context.interruptible(plan::execute(&arguments, context)).await,
        Command::Why(arguments) => context.interruptible(why::execute(&arguments, context)).await,
        Command::Run(arguments) => run::execute(&arguments, context).await,
        Command::Rejected(arguments) if arguments.command.is_some() => rejected::execute(&arguments, context).await,
        Command::Rejected(arguments) => context.interruptible(rejected::execute(&arguments, context)).await,
        Command::Tables(arguments) => context.interruptible(tables::execute(&arguments, context)).await,
        Command::Query(arguments) => context.interruptible(query::execute(&arguments, context)).await,
        Command::Rollback(arguments) => rollback::execute(&arguments, context).await,
        Command::Vacuum(arguments) => context.interruptible(vacuum::execute(&arguments, context)).await,
        Command::Backfill(arguments) => backfill::execute(&arguments, context).await,
        Command::Schedule(arguments) => schedule::execute(&arguments, context).await,
    }
}

/// Says that the process could not even begin.
pub fn cannot_start(error: &std::io::Error) -> std::process::ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "error: the system gives no threads to work with\n  caused by: {error}");
    ExitCode::Failed.into()
}
