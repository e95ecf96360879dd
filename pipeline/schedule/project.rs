//! The project's files while the daemon runs: changed ones are read anew, broken ones leave the last good reading in use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::{Problem, Problems, Project};
use crate::run::validate_project;

/// Reads and validates the project's files.
pub type LoadProject = Box<dyn Fn() -> Result<Project, Problems> + Send + Sync>;

/// When each file was last written, and its size.
type Stamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The project in use, and what its files looked like when it was read.
pub struct ProjectFiles {
    load: LoadProject,
    project: Arc<Project>,
    seen: Stamps,
    /// A change that was seen once: somebody may still be writing.
    pending: Option<Stamps>,
    is_broken: bool,
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
        let project = Arc::new(load()?);
        let seen = stamps(&project);
        Ok(Self { load, project, seen, pending: None, is_broken: false })
    }

    /// The last good reading.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// Whether the files hold mistakes, so that an older reading is in use.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Looks whether files have changed, and reads them once a change has held from one look to the next.
    pub(super) async fn look(&mut self) -> Found {
        let now = stamps(&self.project);
        if now == self.seen {
            self.pending = None;
            return Found::Same;
        }
        if self.pending.as_ref() != Some(&now) {
            self.pending = Some(now);
            return Found::Same;
        }
        self.pending = None;
        self.seen = now;
        match self.read_again().await {
            Ok(project) => {
                self.project = Arc::new(project);
                // Other folders of models may be named now.
                self.seen = stamps(&self.project);
                self.is_broken = false;
                Found::Changed
            }
            Err(problems) => {
                self.is_broken = true;
                Found::Broken(problems)
            }
        }
    }

    /// Reads everything, and plans the SQL too: a night is the wrong time to find a slip.
    async fn read_again(&self) -> Result<Project, Problems> {
        let project = (self.load)()?;
        let problems = match validate_project(&project).await {
            Ok(problems) => problems,
            Err(error) => Problem::new(&project.root, error.to_string()).into(),
        };
        problems.into_result(project)
    }
}

fn stamps(project: &Project) -> Stamps {
    let mut found = Stamps::new();
    let environment = project.root.join("config").join(format!("{}.yaml", project.environment.name));
    note(&environment, &mut found);
    note_folder(&project.root.join("jobs"), &mut found);
    for root in &project.environment.sql {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_file() => note(&entry.path(), &mut found),
                _ => note_folder(&entry.path(), &mut found),
            }
        }
    }
    found
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
