//! What wakes the daemon: once a second, as tokio-cron-scheduler counts them.
//!
//! It is a ticker and nothing else: one job, in UTC. It goes by the wall clock, so when that is set back it is silent for
//! a while; then a plain pause wakes the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The longest time without a tick.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Ticker {
    scheduler: Option<JobScheduler>,
    ticks: Arc<Notify>,
}

impl Ticker {
    /// Starts to tick. Where the scheduler cannot start, the pauses alone make the ticks.
    pub async fn start() -> Self {
        let ticks = Arc::new(Notify::new());
        let scheduler = match Self::scheduler(ticks.clone()).await {
            Ok(scheduler) => Some(scheduler),
            Err(error) => {
                tracing::warn!(%error, "the ticker did not start; the daemon looks at the clock every two seconds");
                None
            }
        };
        Self { scheduler, ticks }
    }

    async fn scheduler(ticks: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let every_second = Job::new_async("* * * * * *", move |_, _| {
            let ticks = ticks.clone();
            Box::pin(async move { ticks.notify_one() })
        })?;
        scheduler.add(every_second).await?;
        scheduler.start().await?;
        Ok(scheduler)
    }

    /// Waits for the next tick.
    pub async fn tick(&self) {
        tokio::select! {
            () = self.ticks.notified() => {}
            () = tokio::time::sleep(LONGEST_PAUSE) => {}
        }
    }

    pub async fn stop(mut self) {
        if let Some(scheduler) = &mut self.scheduler
            && let Err(error) = scheduler.shutdown().await
        {
            tracing::debug!(%error, "the ticker did not stop");
        }
    }
}
