//! The right to run a job, renewed while the run works.

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::state::{Lease, LeaseOutcome, State, StateError};

use super::{Clock, RunError};

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
        let lease = match state.acquire_lease(job, &owner(), state.lease_time(), clock()).await? {
            LeaseOutcome::Acquired(lease) => lease,
            LeaseOutcome::Held { owner, since, .. } => {
                return Err(RunError::Busy { job: job.to_owned(), owner, since });
            }
        };
        let (sender, is_lost) = watch::channel(false);
        let renewal = tokio::spawn(renew(state.clone(), lease.clone(), clock.clone(), sender));
        Ok(Self { lease, state: state.clone(), clock: clock.clone(), renewal, is_lost })
    }

    /// Fails where somebody else has taken over; else the whole lease's time begins anew.
    ///
    /// Where it succeeds, nobody else has had the lease since it was taken: a taker gets a greater token, which ends this
    /// lease for ever. It says nothing about the next instant, so what becomes visible after it must conflict with what a
    /// successor does.
    pub async fn require(&self) -> Result<(), RunError> {
        let lost = || RunError::LeaseLost { job: self.lease.name.clone() };
        if *self.is_lost.borrow() {
            return Err(lost());
        }
        match self.state.renew_lease(&self.lease, self.state.lease_time(), (self.clock)()).await {
            Ok(_) => Ok(()),
            Err(StateError::LeaseLost { .. }) => Err(lost()),
            Err(error) => Err(error.into()),
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
    let mut ticks = tokio::time::interval(state.lease_time() / 3);
    // A try may take long where a database server is gone; what was due meanwhile is not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match state.renew_lease(&lease, state.lease_time(), clock()).await {
            Ok(_) => {}
            Err(StateError::LeaseLost { .. }) => {
                lost.send_replace(true);
                return;
            }
            // The state may be busy or out of reach. Until somebody else has taken the lease it can be renewed.
            Err(error) => tracing::warn!(%error, job = %lease.name, "the lease could not be renewed"),
        }
    }
}

/// Who holds a lease, for a person who waits: this process and its machine.
pub fn owner() -> String {
    format!("process {} on {}", std::process::id(), host_name())
}

/// The machine's name.
pub fn host_name() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this machine".to_owned())
}
