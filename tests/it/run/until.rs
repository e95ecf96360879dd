//! Waiting for what others do: polled, and at most for a minute.

use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// The same where it matters that something has only just happened.
const SHORT_PAUSE: Duration = Duration::from_micros(300);

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, is_so: impl FnMut() -> bool) {
    wait(what, PAUSE, is_so);
}

/// Waits until something is so, and hardly longer.
#[track_caller]
pub fn until_just(what: &str, is_so: impl FnMut() -> bool) {
    wait(what, SHORT_PAUSE, is_so);
}

#[track_caller]
fn wait(what: &str, pause: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONGEST, "waited for a minute: {what}");
        std::thread::sleep(pause);
    }
}

/// Waits until something is so, in a test that has a runtime.
pub async fn until_it_is(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < LONGEST, "waited for a minute: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
