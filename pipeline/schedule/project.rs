//! The project's files while the daemon runs: changed ones are read anew, broken ones leave the last good reading in use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Problem, Problems, Project};
use crate::run::validate_project;

/// How often broken files are read again though they look the same: what mends them may lie where nobody looks.
const READ_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// Reads and validates the project's files.
pub type LoadProject = Box<dyn Fn() -> Result<Project, Problems> + Send + Sync>;

/// When each file was last written, and its size.
type Stamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The project in use, and what its files looked like before it was read.
pub struct ProjectFiles {
    load: LoadProject,
    project: Arc<Project>,
    places: Places,
    seen: Stamps,
    /// A change that was seen once: somebody may still be writing.
    pending: Option<Stamps>,
    broken: Option<Broken>,
}

/// Mistakes that were found in the files, so that an older reading is in use.
struct Broken {
    problems: Problems,
    read_at: DateTime<Utc>,
}

/// What came of looking at the files.
pub(super) enum Found {
    Same,
    Changed,
    Broken(Problems),
}

impl ProjectFiles {
    /// Reads the project for the first time.
    pub fn read(load: LoadProject) -> Result<Self, Problems> {
        let Reading { project, places, seen } = Reading::take(&load, None)?;
        Ok(Self { load, project: Arc::new(project), places, seen, pending: None, broken: None })
    }

    /// The last good reading.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// Whether the files hold mistakes, so that an older reading is in use.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Looks whether files have changed, and reads them once a change has held from one look to the next.
    pub(super) async fn look(&mut self, now: DateTime<Utc>) -> Found {
        let found = self.places.stamps();
        let is_changed = found != self.seen;
        if is_changed && self.pending.as_ref() != Some(&found) {
            self.pending = Some(found);
            return Found::Same;
        }
        self.pending = None;
        let is_old = |read_at: DateTime<Utc>| now < read_at || now - read_at >= READ_AGAIN;
        if !is_changed && !self.broken.as_ref().is_some_and(|broken| is_old(broken.read_at)) {
            return Found::Same;
        }
        self.seen = found;
        match self.read_again().await {
            Ok(Reading { project, places, seen }) => {
                self.project = Arc::new(project);
                (self.places, self.seen, self.broken) = (places, seen, None);
                Found::Changed
            }
            Err(problems) => {
                let before = self.broken.replace(Broken { problems: problems.clone(), read_at: now });
                let is_told = !is_changed && before.is_some_and(|before| before.problems == problems);
                if is_told { Found::Same } else { Found::Broken(problems) }
            }
        }
    }

    /// Reads everything, and plans the SQL too: a night is the wrong time to find a slip.
    async fn read_again(&self) -> Result<Reading, Problems> {
        let reading = Reading::take(&self.load, Some(self.places.clone()))?;
        let project = &reading.project;
        let mut problems = match validate_project(project).await {
            Ok(problems) => problems,
            Err(error) => Problem::new(&project.root, error.to_string()).into(),
        };
        problems.extend(self.needs_a_restart(project));
        problems.into_result(reading)
    }

    /// What a daemon takes once, when it starts.
    fn needs_a_restart(&self, project: &Project) -> Vec<Problem> {
        let (used, found) = (&self.project.environment, &project.environment);
        let settings = [("state", used.state != found.state), ("lease", used.lease != found.lease)];
        let changed = settings.into_iter().filter(|(_, is_changed)| *is_changed);
        changed
            .map(|(name, _)| {
                let file = Path::new("config").join(format!("{}.yaml", found.name));
                Problem::new(file, format!("`{name}` has changed while the daemon runs"))
                    .hint("start the daemon again to use it; until then no change of the files is used")
            })
            .collect()
    }
}

/// What was read, and what the files looked like before that: what is written while they are read is another change.
struct Reading {
    project: Project,
    places: Places,
    seen: Stamps,
}

impl Reading {
    fn take(load: &LoadProject, known: Option<Places>) -> Result<Self, Problems> {
        let mut known = match known {
            Some(known) => known,
            None => Places::of(&load()?),
        };
        loop {
            let seen = known.stamps();
            let project = load()?;
            let places = Places::of(&project);
            if places == known {
                return Ok(Self { project, places, seen });
            }
            // Other folders are named now; they are looked at before they are read.
            known = places;
        }
    }
}

/// Where a project's files are.
#[derive(Debug, Clone, PartialEq)]
struct Places {
    environment: PathBuf,
    jobs: PathBuf,
    sql: Vec<PathBuf>,
}

impl Places {
    fn of(project: &Project) -> Self {
        Self {
            environment: project.root.join("config").join(format!("{}.yaml", project.environment.name)),
            jobs: project.root.join("jobs"),
            sql: project.environment.sql.clone(),
        }
    }

    fn stamps(&self) -> Stamps {
        let mut found = Stamps::new();
        note(&self.environment, &mut found);
        note_folder(&self.jobs, &mut found);
        for root in &self.sql {
            for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_file() => note(&entry.path(), &mut found),
                    _ => note_folder(&entry.path(), &mut found),
                }
            }
        }
        found
    }
}

fn note_folder(folder: &Path, found: &mut Stamps) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with('.') {
            note(&entry.path(), found);
        }
    }
}

fn note(path: &Path, found: &mut Stamps) {
    if let Ok(metadata) = std::fs::metadata(path) {
        found.insert(path.to_owned(), (metadata.modified().ok(), metadata.len()));
    }
}
