//! Whether the daemon is well.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// What the daemon's ticker leaves behind, so that others see whether it goes on. Shared.
#[derive(Debug)]
pub struct Pulse {
    /// Microseconds since 1970; 0: never.
    ticked_at: AtomicI64,
    tolerance: TimeDelta,
}

impl Pulse {
    /// A ticker that is late when it has not ticked for longer than `tolerance`; it begins at `now`.
    pub fn new(tolerance: TimeDelta, now: DateTime<Utc>) -> Self {
        Self { ticked_at: AtomicI64::new(now.timestamp_micros()), tolerance }
    }

    /// The ticker has ticked.
    pub fn ticked(&self, now: DateTime<Utc>) {
        self.ticked_at.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// Since the last tick; never negative, also where the clock was set back.
    pub fn lag(&self, now: DateTime<Utc>) -> TimeDelta {
        let ticked_at = self.ticked_at.load(Ordering::Relaxed);
        TimeDelta::microseconds(now.timestamp_micros().saturating_sub(ticked_at)).max(TimeDelta::zero())
    }

    /// Why the ticker is not well.
    pub fn complaint(&self, now: DateTime<Utc>) -> Option<String> {
        let lag = self.lag(now);
        (lag > self.tolerance).then(|| format!("the ticker has not ticked for {} s", lag.num_seconds()))
    }
}
