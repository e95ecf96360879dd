//! A project's files: what is read from them, and every mistake that is found in them.

mod all_at_once;
mod mistakes;
mod projects;
mod robustness;
mod schemas;
mod selection;
mod validate;
mod values;

use std::path::{Path, PathBuf};

use lifecycle::config::{Problems, Project, load_project};

/// The variables of the environment that the fixtures name.
pub fn environment_variables(name: &str) -> Option<String> {
    match name {
        "WAREHOUSE_SECRET" => Some("hunter2-is-secret".to_owned()),
        "ALERT_WEBHOOK" => Some("https://alerts.example.com/hook/hunter3-is-secret".to_owned()),
        _ => None,
    }
}

pub fn load(root: &Path) -> Result<Project, Problems> {
    load_project(root, "local", &environment_variables)
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(name)
}

/// A copy of a fixture that a test may change.
pub fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&fixture(name), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
