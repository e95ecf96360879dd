//! Ctrl-C and SIGTERM: the first asks everything to stop cleanly, the second stops at once.

#![allow(clippy::disallowed_methods, reason = "a second signal ends the process: the one place that does")]

use super::ExitCode;
use super::output::Output;
use crate::interrupt::Interrupter;

/// Listens in the background until the process ends.
pub fn listen(interrupter: Interrupter, output: Output) {
    tokio::spawn(async move {
        while wait().await {
            if interrupter.interrupt() {
                // Nothing is lost: what is published appears in single commits, and leases end with their owner.
                std::process::exit(ExitCode::Interrupted.number().into());
            }
            output.message("stopping cleanly; press Ctrl-C again to stop at once");
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
