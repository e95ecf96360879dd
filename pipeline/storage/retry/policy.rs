//! How often a call is made again, and how long is waited in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{BackoffConfig, Error, Result, RetryConfig};
use uuid::Uuid;

use super::failure::{StoreFailure, generic, is_transient};

type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How often a call to a store is made, and how long is waited in between: a random part (full jitter) of a time that
/// doubles.
///
/// Below it the stores over HTTP repeat requests by themselves, for half a minute at most. So a call to a store that
/// refuses or answers with errors ends within a minute; to one that never answers, within about three.
#[derive(Clone)]
pub struct RetryPolicy {
    /// Tries in all; the first counts. What moves forward (a body, a listing) starts to count anew.
    pub attempts: u32,
    pub first_backoff: Duration,
    pub longest_backoff: Duration,
    /// No try begins later than this after the first.
    pub patience: Duration,
    sleep: Sleep,
}

impl Default for RetryPolicy {
    /// Eight tries over 11 seconds on average, 23 at most.
    fn default() -> Self {
        Self {
            attempts: 8,
            first_backoff: Duration::from_millis(200),
            longest_backoff: Duration::from_secs(10),
            patience: Duration::from_secs(120),
            sleep: Arc::new(|wait| tokio::time::sleep(wait).boxed()),
        }
    }
}

impl RetryPolicy {
    /// The default with another patience: where that is short, the pauses are, too.
    pub fn within(patience: Duration) -> Self {
        let usual = Self::default();
        Self {
            first_backoff: usual.first_backoff.min(patience / 50),
            longest_backoff: usual.longest_backoff.min(patience / 10),
            patience,
            ..usual
        }
    }

    /// How a single request is repeated below: for short disturbances, so that both together do not wait for many
    /// minutes.
    pub(in crate::storage) fn of_requests(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100).min(self.patience / 100),
                max_backoff: Duration::from_secs(5).min(self.patience / 20),
                base: 2.0,
            },
            max_retries: 4,
            retry_timeout: Duration::from_secs(30).min(self.patience / 4),
        }
    }

    /// Waits by this function instead of by the clock: for tests.
    #[must_use]
    pub fn with_sleep(self, sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { sleep: Arc::new(sleep), ..self }
    }

    /// The wait after so many failed tries.
    fn backoff(&self, failed: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1).min(31));
        let ceiling = self.first_backoff.saturating_mul(doubled).min(self.longest_backoff);
        // The last 48 bits of a random UUID are random.
        let share = (Uuid::new_v4().as_u128() & 0xffff_ffff_ffff) as f64 / (1_u64 << 48) as f64;
        ceiling.mul_f64(share)
    }
}

impl std::fmt::Debug for RetryPolicy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { attempts, first_backoff, longest_backoff, patience, sleep: _ } = self;
        formatter
            .debug_struct("RetryPolicy")
            .field("attempts", attempts)
            .field("first_backoff", first_backoff)
            .field("longest_backoff", longest_backoff)
            .field("patience", patience)
            .finish_non_exhaustive()
    }
}

/// The tries of one call.
pub(super) struct Tries {
    policy: Arc<RetryPolicy>,
    failed: u32,
    since: Instant,
}

impl Tries {
    pub fn new(policy: &Arc<RetryPolicy>) -> Self {
        Self { policy: policy.clone(), failed: 0, since: Instant::now() }
    }

    /// Counts a failed try and waits; `false` where there is to be no other.
    pub async fn again(&mut self, operation: &'static str, path: &Path, error: &Error) -> bool {
        self.failed += 1;
        if self.failed >= self.policy.attempts || self.since.elapsed() >= self.policy.patience {
            return false;
        }
        let wait = self.policy.backoff(self.failed);
        let seconds = wait.as_secs_f64();
        tracing::warn!(operation, path = %path, tries = self.failed, seconds, %error, "the store failed; it is tried again");
        (self.policy.sleep)(wait).await;
        true
    }

    /// Something came: the next failure is a first one.
    pub fn progressed(&mut self) {
        if self.failed > 0 {
            self.failed = 0;
        }
        self.since = Instant::now();
    }

    /// The failure of the last try, with how many there were.
    pub fn gave_up(&self, operation: &'static str, path: &Path, error: Error) -> Error {
        if self.failed <= 1 {
            return error;
        }
        let (path, tries) = (path.to_string(), self.failed);
        generic(StoreFailure::GaveUp { operation, path, tries, source: Box::new(error) })
    }
}

/// Makes a call until it succeeds, fails for good, or has been made often enough.
pub(super) async fn again<T, F: Future<Output = Result<T>>>(
    policy: &Arc<RetryPolicy>,
    operation: &'static str,
    path: &Path,
    call: impl FnMut() -> F,
) -> Result<T> {
    again_if(policy, operation, path, is_transient, call).await
}

/// The same, where the caller knows better which failures may pass.
pub(super) async fn again_if<T, F: Future<Output = Result<T>>>(
    policy: &Arc<RetryPolicy>,
    operation: &'static str,
    path: &Path,
    may_pass: impl Fn(&Error) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T> {
    let mut tries = Tries::new(policy);
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error) if may_pass(&error) => {
                if !tries.again(operation, path, &error).await {
                    return Err(tries.gave_up(operation, path, error));
                }
            }
            Err(error) => return Err(error),
        }
    }
}
