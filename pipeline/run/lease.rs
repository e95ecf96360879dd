//! The right to run a job, renewed while the run works.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::state::{Lease, LeaseOutcome, State, StateError};

use super::{Clock, RunError};

/// How long a dead owner blocks its job.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// A job's lease, renewed in the background until it is dropped or given back.
pub(super) struct HeldLease {
    pub lease: Lease,
    state: State,
    clock: Clock,
    renewal: JoinHandle<()>,
    is_lost: watch::Receiver<bool>,
}

impl HeldLease {
    pub async fn take(state: &State, job: &str, clock: &Clock) -> Result<Self, RunError> {
        let lease = match state.acquire_lease(job, &owner(), TIME_TO_LIVE, clock()).await? {
            LeaseOutcome::Acquired(lease) => lease,
            LeaseOutcome::Held { owner, since, .. } => {
                return Err(RunError::Busy { job: job.to_owned(), owner, since });
            }
        };
        let (sender, is_lost) = watch::channel(false);
        let renewal = tokio::spawn(renew(state.clone(), lease.clone(), clock.clone(), sender));
        Ok(Self { lease, state: state.clone(), clock: clock.clone(), renewal, is_lost })
    }

    /// Fails where somebody else may work on the job by now: asked right before anything becomes visible.
    pub async fn require(&self) -> Result<(), RunError> {
        let is_current = self.state.lease_is_current(&self.lease, (self.clock)()).await?;
        if is_current && !*self.is_lost.borrow() {
            Ok(())
        } else {
            Err(RunError::LeaseLost { job: self.lease.name.clone() })
        }
    }

    pub async fn give_back(self) -> Result<(), StateError> {
        self.renewal.abort();
        self.state.release_lease(&self.lease, (self.clock)()).await
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(state: State, lease: Lease, clock: Clock, lost: watch::Sender<bool>) {
    let mut ticks = tokio::time::interval(TIME_TO_LIVE / 3);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match state.renew_lease(&lease, TIME_TO_LIVE, clock()).await {
            Ok(_) => {}
            Err(StateError::LeaseLost { .. }) => {
                lost.send_replace(true);
                return;
            }
            // The state file may be busy; there are two more tries before the lease ends.
            Err(error) => tracing::warn!(%error, job = %lease.name, "the lease could not be renewed"),
        }
    }
}

/// Who holds a lease, for a person who waits.
fn owner() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this machine".to_owned());
    format!("process {} on {host}", std::process::id())
}
