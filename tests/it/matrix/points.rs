//! The names of a process's calls: what is done, to which kind of object. A name and a moment are a crash point.

use super::s3::Call;
use crate::faults::store::Operation;

/// Such as `create log of marts.days`: a commit.
pub fn name(call: &Call) -> String {
    format!("{} {}", verb(call.operation), place(call.path.as_ref()))
}

fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Put => "put",
        Operation::Create => "create",
        Operation::Get => "get",
        Operation::Head => "head",
        Operation::List => "list",
        Operation::Delete => "delete",
        Operation::Copy => "copy",
        Operation::Begin => "begin",
        Operation::Part => "part of",
        Operation::Complete => "complete",
        Operation::Abort => "abort",
    }
}

fn place(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["raw", source, ..] => format!("raw {source}"),
        ["warehouse", "releases", ..] => "releases".to_owned(),
        ["warehouse", "publishing", ..] => "announcements".to_owned(),
        ["warehouse", "exports", _, "release.json"] => "release of exports".to_owned(),
        ["warehouse", "exports", _, file] => format!("export {file}"),
        ["warehouse", probe] if probe.starts_with("_probe") => "probe".to_owned(),
        ["warehouse", schema, table, "_delta_log", "_last_checkpoint"] => format!("checkpoint of {schema}.{table}"),
        ["warehouse", schema, table, "_delta_log", ..] => format!("log of {schema}.{table}"),
        ["warehouse", schema, table, ..] => format!("data of {schema}.{table}"),
        _ => path.to_owned(),
    }
}

/// Whether it makes or drops a release, so that readers must see something else after it.
pub fn is_release(call: &Call) -> bool {
    is_publication(call) && call.path.as_ref().starts_with("warehouse/releases/")
}

/// Whether readers of published tables could see something else after it.
pub fn is_publication(call: &Call) -> bool {
    let path = call.path.as_ref();
    !call.operation.reads()
        && path.starts_with("warehouse/")
        && !path.starts_with("warehouse/landed/")
        && !path.starts_with("warehouse/_probe")
        && (call.operation == Operation::Delete || path.contains("/_delta_log/") || path.contains("/releases/"))
}
