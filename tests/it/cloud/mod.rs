//! Object storage for real: servers of S3 and Azure that other people wrote, and stores that break their promises.

mod conditional_puts;
mod listing;
mod nightly;
mod races;
mod servers;

use std::path::Path;
use std::process::{Command, Stdio};

/// What the binary printed and returned.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs the real binary on a project, with these variables.
async fn lifecycle(project: &Path, variables: &[(String, String)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
    command.arg("--project").arg(project).args(arguments).stdin(Stdio::null());
    for name in ["COLUMNS", "NO_COLOR", "TERM", "RUST_LOG", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().cloned());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
