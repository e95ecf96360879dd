//! Panics on stderr: those that are caught and handled are no news to anybody.

use crate::land::is_decoding;

/// Keeps the panics of a decoder of damaged Parquet off the screen: they become a refused row. All others print themselves.
pub fn listen() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_decoding() {
            print(panic);
        }
    }));
}
