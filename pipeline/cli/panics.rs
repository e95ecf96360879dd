//! Panics on stderr: those that are caught and handled are no news to anybody.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::land::is_decoding;

/// The process has said all that it has to say.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Keeps the panics of a decoder of damaged Parquet off the screen: they become a refused row. All others print themselves.
pub fn listen() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_decoding() && !IS_OVER.load(Ordering::Relaxed) {
            print(panic);
        }
    }));
}

/// Says that the command is over: what its reader of Delta logs still waits for when the runtime ends panics.
pub fn end() {
    IS_OVER.store(true, Ordering::Relaxed);
}
