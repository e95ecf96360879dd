//! `lifecycle query`: SQL over one release.

use std::io::Read;

use datafusion::error::DataFusionError;
use futures::StreamExt;

use super::arguments::QueryArguments;
use super::batches::BatchPrinter;
use super::context::Context;
use super::failure::Report;
use super::surroundings::{only_job, surroundings};
use super::{ExitCode, Failure};
use crate::config::{Project, TableName};
use crate::run::{ReleaseView, open_release};
use crate::state::OpsTable;
use crate::transform::engine_words;

/// Runs a query over the tables of a release and prints its rows.
pub async fn execute(arguments: &QueryArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let sql = text(&arguments.sql)?;
    let job = only_job(&project, arguments.job.as_deref())?;
    let surroundings = surroundings(context, &project);
    let view = open_release(&project, &surroundings, &job, arguments.release).await?;
    add_ops(&view, &project, context).await?;
    let planned = async {
        let rows = view.workspace.query(&sql).await?;
        let schema = std::sync::Arc::new(rows.schema().as_arrow().clone());
        Ok((schema, rows.execute_stream().await?))
    };
    let (schema, mut stream) = match planned.await {
        Ok(planned) => planned,
        Err(error) => return Err(refused(&view, &sql, &error).await),
    };
    let mut printer = BatchPrinter::new(&context.output, arguments.format, schema, arguments.file.as_deref())?;
    while let Some(batch) = stream.next().await {
        let batch = batch
            .map_err(|error| Failure::Failed(Report::new(format!("the query failed: {}", engine_words(&error)))))?;
        printer.write(&batch)?;
    }
    printer.finish()?;
    Ok(ExitCode::Done)
}

/// What is wrong with a query, in the words that models are refused with.
async fn refused(view: &ReleaseView, sql: &str, error: &DataFusionError) -> Failure {
    let tables = "`lifecycle tables` lists the published tables; names are `marts.<table>`";
    let Some(mistake) = view.workspace.validate_query(sql).await else {
        return Failure::Usage(Report::new(engine_words(error).lines().next().unwrap_or_default()).hint(tables));
    };
    let place = mistake.place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default();
    let hint = mistake.hint.unwrap_or_else(|| tables.to_owned());
    Failure::Usage(Report::new(format!("{}{place}", mistake.message)).hint(hint))
}

fn text(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| Failure::failed(&error))?;
    Ok(text)
}

/// Adds the records of runs as `ops.*`.
async fn add_ops(view: &ReleaseView, project: &Project, context: &Context) -> Result<(), Failure> {
    let state = context.look_at_state(&project.environment).await?;
    for table in OpsTable::ALL.iter().copied() {
        let batch = match &state {
            Some(state) => state.ops_table(table, context.now()).await?,
            None => table.empty()?,
        };
        let name = TableName::new("ops", table.as_str());
        view.workspace.add_batches(&name, batch.schema(), vec![batch]).map_err(|error| Failure::failed(&error))?;
    }
    Ok(())
}
