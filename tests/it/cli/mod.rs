//! The command line: the real binary, its output and its exit codes.

mod cases;
mod docs;
mod errors;
mod formats;
mod help;
mod output;
mod projects;
mod runs;
mod status;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder for one test, with the binary beside it.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A project with two jobs and no models.
    pub fn with_project() -> Self {
        let folder = Self::new();
        folder.write(
            "config/local.yaml",
            "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/London\ncurrency: GBP\n\
             memory_limit: 1GiB\n",
        );
        for (job, description) in [("nightly", "Everything."), ("landing", "Landing only.")] {
            folder.write(
                &format!("jobs/{job}.yaml"),
                &format!(
                    "name: {job}\ndescription: {description}\nsources:\n  {job}_orders:\n    location: ${{raw}}/*.csv\n    \
                     format: csv\n    columns:\n      order_no: {{type: string, required: true}}\n"
                ),
            );
        }
        std::fs::create_dir_all(folder.path().join("sql")).unwrap();
        folder
    }

    pub fn state_file(&self) -> PathBuf {
        self.path().join(".lifecycle/state.db")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for name in ["COLUMNS", "NO_COLOR", "TERM", "RUST_LOG", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    /// What the binary prints and returns, with this folder's name taken out.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.shown(&self.command(arguments).output().unwrap())
    }

    pub fn shown(&self, output: &Output) -> String {
        let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
        let mut text = format!("exit code {code}\n");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                text.push_str(&format!("----- {name}\n{}", String::from_utf8_lossy(bytes)));
            }
        }
        text.replace(&self.path().display().to_string(), "FOLDER")
    }
}

/// Takes out of snapshots what differs from day to day and from machine to machine.
pub fn stable() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\(\d+ days? ago\)", "(AGE)");
    settings.add_filter(r"\d+ standard models", "N standard models");
    settings.add_filter(r"now [^;]+; (.*) is .*", "now NOW; $1 is DAY");
    settings.add_filter(r"(spill space +ok +)[^:]+:", "$1 TEMP:");
    settings.add_filter(r": [\d.]+ .B free", ": SIZE free");
    settings.add_filter(r" of [\d.]+ .B", " of SIZE");
    settings.bind_to_scope()
}
