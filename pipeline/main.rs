//! The binary: a runtime, and the command line in it.

use std::process::ExitCode;
use std::time::Duration;

/// Query plans nest deeply, and planning recurses; pages that are not used cost nothing.
const STACK_BYTES: usize = 16 << 20;

fn main() -> ExitCode {
    // The main thread's stack is the system's choice, so the work happens on one of ours.
    let work = std::thread::Builder::new().name("lifecycle".to_owned()).stack_size(STACK_BYTES).spawn(run);
    match work.map(|thread| thread.join()) {
        Ok(Ok(code)) => code,
        // A panic has printed itself already.
        Ok(Err(_)) => lifecycle::cli::ExitCode::Failed.into(),
        Err(error) => lifecycle::cli::cannot_start(&error),
    }
}

fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(lifecycle::cli::main(std::env::args_os()));
            runtime.shutdown_timeout(Duration::from_secs(5));
            code.into()
        }
        Err(error) => lifecycle::cli::cannot_start(&error),
    }
}
