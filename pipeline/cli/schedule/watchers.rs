//! What the daemon does besides running jobs: it tells people, and serves `/metrics` and `/healthz`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::{Failure, Report};
use super::messages::Messages;
use crate::config::{Job, Project};
use crate::interrupt::Interrupt;
use crate::schedule::{Event, Listener, outlook};
use crate::state::{State, StateError, Verdict};
use crate::watch::{Clock, Desk, Meter, Notifier, Outlook, Patience, Pulse, serve};

/// A ticker that has not looked for so long is late; it looks every five seconds.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// How often what nobody has told of is looked for.
const LOOK_AROUND: TimeDelta = TimeDelta::seconds(60);
/// How long the process waits for the last notices when it ends; what is left is sent by whoever looks next.
const LAST_NOTICES: Duration = Duration::from_secs(40);

/// The project in use, as it is now.
#[derive(Clone)]
struct InUse(Arc<RwLock<Arc<Project>>>);

impl InUse {
    fn get(&self) -> Arc<Project> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, project: &Arc<Project>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = project.clone();
    }
}

/// Something to tell.
enum News {
    /// A run has ended for good.
    Ended { job: String, run_id: String },
    /// A run failed without a run of its own to show.
    NeverBegan { job: String, due: DateTime<Utc>, message: Option<String> },
    /// Something was missed.
    Missed,
    /// Time has passed.
    Looked,
}

/// Passes on what the daemon does: to stderr, to the teller, to the pulse.
pub struct Watchers {
    messages: Messages,
    news: mpsc::UnboundedSender<News>,
    pulse: Arc<Pulse>,
    project: InUse,
}

/// The teller at work: ends when nobody can bring news any more.
pub struct Teller {
    telling: JoinHandle<()>,
}

impl Teller {
    /// Waits until the last news are told, not for ever.
    pub async fn finish(mut self, mut stop: Interrupt) {
        tokio::select! {
            _ = tokio::time::timeout(LAST_NOTICES, &mut self.telling) => {}
            () = stop.interrupted_again() => {}
        }
        self.telling.abort();
    }
}

impl Watchers {
    /// Begins to tell of a project's jobs.
    pub fn start(messages: Messages, project: Arc<Project>, state: State, clock: Clock) -> (Arc<Self>, Teller) {
        let (news, received) = mpsc::unbounded_channel();
        let pulse = Arc::new(Pulse::new(LATE, clock()));
        let project = InUse(Arc::new(RwLock::new(project)));
        let telling = tokio::spawn(tell(received, project.clone(), state, clock));
        // What an earlier process left is told first.
        let _ = news.send(News::Missed);
        (Arc::new(Self { messages, news, pulse, project }), Teller { telling })
    }

    /// Serves metrics and health at an address until the interrupt comes.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub async fn listen(
        &self,
        address: SocketAddr,
        state: State,
        clock: Clock,
        stop: Interrupt,
    ) -> Result<SocketAddr, Failure> {
        let failed = |error: std::io::Error| {
            let report = Report::from_error(&error).while_doing(format!("the address {address} cannot be listened at"));
            Failure::Usage(report.hint("choose another one with --listen"))
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let meter = Meter::new(self.project.get().environment.timezone);
        let desk = Arc::new(Front { project: self.project.clone(), state: state.clone() });
        tokio::spawn(serve(listener, state, meter, self.pulse.clone(), desk, clock, stop));
        Ok(address)
    }

    fn tell(&self, news: News) {
        // The teller ends last; where it has, nobody is left to tell.
        let _ = self.news.send(news);
    }
}

impl Listener for Watchers {
    fn hear(&self, event: &Event<'_>) {
        self.messages.hear(event);
        match event {
            Event::Looked(look) => {
                self.pulse.ticked(look.at);
                self.tell(News::Looked);
            }
            Event::Ended { claim, end } => self.tell(match &end.run_id {
                Some(run_id) => News::Ended { job: claim.job.clone(), run_id: run_id.clone() },
                None if end.outcome.is_clean() => News::Looked,
                None => {
                    News::NeverBegan { job: claim.job.clone(), due: claim.scheduled_at, message: end.message.clone() }
                }
            }),
            Event::NotRun(not_run) if matches!(not_run.verdict, Verdict::Missed(_)) => self.tell(News::Missed),
            Event::Reloaded { project, .. } => self.project.set(project),
            _ => {}
        }
    }
}

/// Tells people what happens, in order, until nobody can bring news any more.
async fn tell(mut news: mpsc::UnboundedReceiver<News>, project: InUse, state: State, clock: Clock) {
    let mut looked_around: Option<DateTime<Utc>> = None;
    while let Some(first) = news.recv().await {
        let project = project.get();
        let notifier = Notifier::new(&project, Patience::default());
        let now = clock();
        let is_time = looked_around.is_none_or(|last| now < last || now - last >= LOOK_AROUND);
        let noted = async {
            match &first {
                News::Ended { job, run_id } => {
                    if let Some(job) = project.jobs.get(job) {
                        notifier.run_ended(&state, job, run_id, now).await?;
                    }
                }
                News::NeverBegan { job, due, message } => {
                    if let Some(job) = project.jobs.get(job) {
                        notifier.run_never_began(&state, job, *due, message.as_deref(), now, now).await?;
                    }
                }
                News::Missed => looked_around = Some(now),
                News::Looked if is_time => looked_around = Some(now),
                News::Looked => return Ok(()),
            }
            if looked_around == Some(now) {
                notifier.look_around(&state, &project.jobs, now).await?;
            }
            notifier.send_due(&state, &project.jobs, &clock).await?;
            Ok::<_, StateError>(())
        };
        if let Err(error) = noted.await {
            // The daemon has warned of the state already; what ended is found at a later look.
            tracing::debug!(%error, "notices wait for the state");
        }
    }
}

/// What the server asks.
struct Front {
    project: InUse,
    state: State,
}

#[async_trait]
impl Desk for Front {
    fn jobs(&self) -> Arc<BTreeMap<String, Job>> {
        Arc::new(self.project.get().jobs.clone())
    }

    async fn outlook(&self, now: DateTime<Utc>) -> Result<Outlook, StateError> {
        let project = self.project.get();
        outlook(Some(&self.state), &project.jobs, project.environment.timezone, now).await
    }
}
