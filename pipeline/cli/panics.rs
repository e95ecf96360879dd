//! Panics on stderr: those that are caught and handled are no news to anybody.

use std::panic::PanicHookInfo;

use crate::land::is_decoding;

/// Keeps handled panics off the screen; all others print themselves as ever.
pub fn listen() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_decoding() && !is_of_aborted_upload(panic) {
            print(panic);
        }
    }));
}

/// When a file cannot be finished, Delta's writer aborts its upload, which panics where nothing is left to abort; it expects
/// that, catches it, and goes on to the error itself.
fn is_of_aborted_upload(panic: &PanicHookInfo<'_>) -> bool {
    let is_there = panic.location().is_some_and(|place| place.file().ends_with("buffered.rs"));
    is_there && panic.payload().downcast_ref::<&str>() == Some(&"Already shut down")
}
