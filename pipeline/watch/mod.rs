//! Watching: what runs do is told to those who look after them.
//!
//! ```text
//! run at work ---> recorder (progress) --> state --> standing --> status, metrics
//!         |------> lineage events                        |
//!         +------> its end, in the state --> notices ----+--> webhooks, e-mails
//! ```
//!
//! Nothing here can fail a run or hold it up: what cannot be told is warned of, without the address that it was meant
//! for, and tried again later.

mod health;
mod lineage;
mod message;
mod metrics;
mod notices;
mod notifier;
mod recorder;
mod send;
mod server;
mod standing;
mod traces;

pub use health::Pulse;
pub use lineage::{Lineage, LineageEnd, LineageError, LineageRun, LineageTable};
pub use message::Message;
pub use metrics::Meter;
pub use notifier::{Delivery, Notifier, SendReport};
pub use recorder::Recorder;
pub use send::{Patience, SendError};
pub use server::{Desk, serve};
pub use standing::{Freshness, Intake, Outlook, Standing, span, standings};
pub use traces::{Traces, TracesError};

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    pub run_id: String,
    pub job: String,
    pub as_of: NaiveDate,
}

/// Hears that a run has begun.
pub type OnStart = Arc<dyn Fn(&RunFacts) + Send + Sync>;

/// Who hears of the runs of a process; by default nobody.
#[derive(Clone, Default)]
pub struct Watch {
    /// Where OpenLineage events go.
    pub lineage: Option<Lineage>,
    /// Called when a run has begun.
    pub on_start: Option<OnStart>,
}
