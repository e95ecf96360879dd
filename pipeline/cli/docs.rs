//! `lifecycle docs`: the data dictionary.

use std::path::Path;

use super::arguments::DocsArguments;
use super::context::Context;
use super::surroundings::surroundings;
use super::{ExitCode, Failure, Report, numbers};
use crate::config::Problems;
use crate::dictionary::{html, markdown};
use crate::run::{data_dictionary, validate_project};

/// Writes the dictionary as Markdown and as one HTML page.
pub async fn execute(arguments: &DocsArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    Problems(validate_project(&project).await?.0).into_result(()).map_err(Failure::Problems)?;
    let surroundings = surroundings(context, &project);
    let state = context.look_at_state(&project.environment).await?;
    let dictionary = data_dictionary(&project, state.as_ref(), &surroundings).await?;
    let folder = arguments.dir.clone().unwrap_or_else(|| {
        // Here is shown as nothing.
        context.project.strip_prefix(".").unwrap_or(&context.project).join("docs")
    });
    let pages = [("data-dictionary.md", markdown(&dictionary)), ("data-dictionary.html", html(&dictionary))];
    for (name, text) in &pages {
        write(&folder.join(name), text)?;
    }
    let columns = dictionary.tables.iter().map(|table| table.columns.len() as u64).sum();
    context.output.message(&format!(
        "described {} with {} in {}",
        numbers::plural(dictionary.tables.len() as u64, "table", "tables"),
        numbers::plural(columns, "column", "columns"),
        pages.map(|(name, _)| folder.join(name).display().to_string()).join(" and ")
    ));
    Ok(ExitCode::Done)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text)).map_err(|error| {
        Failure::Usage(Report::from_error(&error).while_doing(format!("{} cannot be written", path.display())))
    })
}
