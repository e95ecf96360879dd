//! Tells a job's `notify` targets how a run by hand ended, and tries them for `doctor`.

use super::Failure;
use super::context::{Context, clock};
use crate::config::Project;
use crate::state::{State, StateError};
use crate::watch::{Delivery, Notifier, Patience};

/// Tells how the newest run of this process ended. What cannot be told is warned of, and fails nothing.
pub async fn run_ended(project: &Project, state: &State, context: &Context) {
    let Some(run) = context.output.run() else { return };
    let Some(job) = project.jobs.get(&run.job) else { return };
    let notifier = Notifier::new(project, Patience::default());
    let told = async {
        notifier.run_ended(state, job, &run.run_id, context.now()).await?;
        notifier.send_due(state, &project.jobs, &clock()).await?;
        Ok::<_, StateError>(())
    };
    let mut interrupt = context.interrupt.clone();
    tokio::select! {
        outcome = told => if let Err(error) = outcome {
            tracing::warn!(%error, "nobody could be told how the run ended");
        },
        // What is recorded is sent by whoever looks next.
        () = interrupt.interrupted() => {}
    }
}

/// Sends a test to every target of a job.
pub async fn test(project: &Project, job: &str) -> Result<Vec<Delivery>, Failure> {
    let Some(found) = project.jobs.get(job) else {
        let known: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
        return Err(Failure::unknown_name("job", job, &known));
    };
    Ok(Notifier::new(project, Patience { tries: 1, ..Patience::default() }).try_targets(found).await)
}
