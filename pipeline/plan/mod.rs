//! Plans a run: pure functions from a project, a day and the state of its tables to what would be done, and why.

mod fingerprint;
mod graph;
mod late;
mod references;
mod run_plan;

pub use fingerprint::{Fingerprint, SourceVersion, fingerprints};
pub use graph::{Graph, GraphMistake, nearest};
pub use late::{LateFacts, Repair, history_of, late_in_words, model_of_history};
pub use references::{References, SqlMistake, find_table, find_word, references};
pub use run_plan::{Action, ModelStep, PlanInputs, RunPlan, SourceState, SourceStep, Touched, days_in_words, plan_run};
