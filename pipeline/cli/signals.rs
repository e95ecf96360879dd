//! Ctrl-C and SIGTERM: the first asks everything to stop cleanly, the second stops at once.
//!
//! A daemon has one step more: the first asks it to start nothing new, the second interrupts its runs, the third stops
//! at once.

#![allow(clippy::disallowed_methods, reason = "a second signal ends the process: the one place that does")]

use super::ExitCode;
use super::output::Output;
use crate::interrupt::Interrupter;

/// Listens in the background until the process ends.
pub fn listen(interrupter: Interrupter, output: Output, is_daemon: bool) {
    tokio::spawn(async move {
        while wait().await {
            interrupter.interrupt();
            match (is_daemon, interrupter.times()) {
                (false, 1) => output.message("stopping cleanly; press Ctrl-C again to stop at once"),
                // The daemon says what it waits for.
                (true, 1) => {}
                (true, 2) => output.message("interrupting the runs; press Ctrl-C again to stop at once"),
                // Nothing is lost: what is published appears in single commits, and leases end with their owner.
                _ => std::process::exit(ExitCode::Interrupted.number().into()),
            }
        }
    });
}

/// Waits for a signal; `false` where signals cannot be heard.
#[cfg(unix)]
async fn wait() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return false;
    };
    tokio::select! {
        heard = interrupt.recv() => heard.is_some(),
        heard = terminate.recv() => heard.is_some(),
    }
}

/// Waits for Ctrl-C; `false` where it cannot be heard.
#[cfg(not(unix))]
async fn wait() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
