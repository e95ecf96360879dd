//! `lifecycle init`: a new project from templates, with a copy of all standard models.

use std::path::Path;

use super::arguments::InitArguments;
use super::context::Context;
use super::{ExitCode, Failure, Report, numbers};
use crate::config::json_schemas;

/// The standard models, seeds and cases: the project-relative path and the text of each file under `sql/` and `tests/sql/`.
pub const STANDARD_MODELS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/standard_models.rs"));

const TEMPLATES: &[(&str, &str)] = &[
    ("config/local.yaml", include_str!("init/templates/local.yaml")),
    ("jobs/nightly.yaml", include_str!("init/templates/nightly.yaml")),
    ("README.md", include_str!("init/templates/README.md")),
    (".gitignore", include_str!("init/templates/gitignore")),
];

/// Writes the project.
pub fn execute(arguments: &InitArguments, context: &Context) -> Result<ExitCode, Failure> {
    let directory = &arguments.directory;
    refuse_occupied(directory)?;
    // Staging is the project's own to write: its cases speak of the demo's feeds.
    let standard = STANDARD_MODELS.iter().filter(|(name, _)| !name.starts_with("tests/sql/staging."));
    standard.copied().try_for_each(|(name, text)| write(&directory.join(name), text))?;
    for (name, text) in TEMPLATES {
        write(&directory.join(name), text)?;
    }
    for (name, schema) in json_schemas() {
        write(&directory.join(format!("config/schemas/{name}.schema.json")), &format!("{schema:#}\n"))?;
    }
    let raw = directory.join("raw");
    std::fs::create_dir_all(&raw).map_err(|error| not_written(&raw, &error))?;

    let models = STANDARD_MODELS.iter().filter(|(name, _)| name.ends_with(".sql")).count() as u64;
    let shown = directory.display();
    context.output.message(&format!(
        "made a project in {shown} with {}\n\nnext:\n  \
         1. say where your data is: {shown}/config/local.yaml\n  \
         2. describe its columns:   {shown}/jobs/nightly.yaml\n  \
         3. lifecycle --project {shown} validate\n  \
         4. lifecycle --project {shown} run nightly",
        numbers::plural(models, "standard model", "standard models"),
    ));
    Ok(ExitCode::Done)
}

/// Writes the project of the demo business: its job, a configuration, the standard models.
pub fn write_demo_project(directory: &Path) -> Result<(), Failure> {
    refuse_occupied(directory)?;
    STANDARD_MODELS.iter().try_for_each(|(name, text)| write(&directory.join(name), text))?;
    write(&directory.join("config/local.yaml"), include_str!("init/templates/local.yaml"))?;
    write(&directory.join("jobs/nightly.yaml"), include_str!("../../jobs/nightly.yaml"))?;
    std::fs::create_dir_all(directory.join("raw")).map_err(|error| not_written(directory, &error))
}

/// Only a folder without anything in it is filled: nobody's work is written over.
fn refuse_occupied(directory: &Path) -> Result<(), Failure> {
    let occupied = || {
        Failure::Usage(
            Report::new(format!("{} is not an empty folder", directory.display()))
                .hint("name a new folder, or empty this one first"),
        )
    };
    match std::fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(occupied()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(occupied()),
        Err(error) => Err(Failure::Usage(
            Report::from_error(&error).while_doing(format!("{} cannot be read", directory.display())),
        )),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text)).map_err(|error| not_written(path, &error))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(Report::from_error(error).while_doing(format!("{} cannot be written", path.display())))
}
