//! What is due, and the daemon that runs it.
//!
//! ```text
//! ticker -> look: changed files? -> plan (pure) -> decide (state) -> claim -> run -> record
//! ```
//!
//! The clock is injected and the planner is pure, so that ten years can be tried in a second. The ticker only wakes the
//! daemon. Who else looks at the same state does not matter: decisions are made from a numbered basis, and a run key is
//! claimed by one.

mod crew;
mod daemon;
mod event;
mod outlook;
mod pattern;
mod planner;
mod project;
mod recorded;
mod runner;
mod simulation;
mod ticker;
mod timetable;

pub use crew::{Ended, Fate};
pub use daemon::{Daemon, DaemonSettings, Departure, Round};
pub use event::{Event, Listener, Look, Nobody, NotRun};
pub use outlook::outlook;
pub use pattern::Pattern;
pub use planner::{MOST_AT_ONCE, OpenRun, Plan, Recorded, Upstream, plan};
pub use project::{LoadProject, ProjectFiles};
pub use recorded::decide_now;
pub use runner::{Began, JobRunner, MakeSurroundings, RunEnd, Runner};
pub use simulation::{Simulated, simulate};
pub use timetable::Timetable;
