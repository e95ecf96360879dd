//! What planning a query found wrong, in words for the person who wrote it.

use datafusion::error::DataFusionError;

use super::TransformError;

/// A mistake that planning a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanMistake {
    pub message: String,
    /// Line and column in the SQL text, from 1.
    pub place: Option<(usize, usize)>,
    /// The promised column that the query does not give as promised, where the mistake is about one.
    pub column: Option<String>,
    pub hint: Option<String>,
}

impl PlanMistake {
    /// The engine's error; the names that it offers instead become the hint.
    pub(super) fn of_engine(error: &DataFusionError) -> Self {
        let place = error.diagnostic().and_then(|diagnostic| diagnostic.span).and_then(|span| {
            let at = |number: u64| usize::try_from(number).ok();
            at(span.start.line).zip(at(span.start.column))
        });
        let (message, hint) = words(&error.find_root().strip_backtrace());
        Self { message, place, column: None, hint }
    }

    /// A column that is missing, of another type than its YAML promises, or not promised at all.
    pub(super) fn of_column(mistake: &TransformError) -> Self {
        if let TransformError::ColumnUnpromised { column, .. } = mistake {
            return Self {
                message: format!("column `{column}` is not described in the model's YAML"),
                hint: Some("describe it under `columns`, or leave it out of the query".to_owned()),
                ..Self::default()
            };
        }
        let column = match mistake {
            TransformError::ColumnType { column, .. } | TransformError::ColumnMissing { column, .. } => {
                Some(column.clone())
            }
            _ => None,
        };
        let hint = "the query's columns and those of its YAML must be the same, by name and type".to_owned();
        Self { message: mistake.to_string(), place: None, column, hint: Some(hint) }
    }
}

/// Kinds of errors that say nothing to the author of a query, and what the engine asks its own developers to do.
const PREFIXES: [&str; 11] = [
    "Error during planning: ",
    "Execution error: ",
    "Schema error: ",
    "Arrow error: ",
    "SQL error: ",
    "Internal error: ",
    "Cast error: ",
    "This feature is not implemented: ",
    "While expanding wildcard, ",
    "ParserError(\"",
    "TokenizerError(\"",
];

/// One sentence in lower case, and what the engine offers behind it.
fn words(text: &str) -> (String, Option<String>) {
    let text = PREFIXES.iter().fold(text.replace("lifecycle.", ""), |text, prefix| text.replace(prefix, ""));
    let text = match text.rsplit_once(" at Line: ") {
        Some((before, _)) => before.to_owned(),
        None => text,
    };
    let offers = ["Did you mean", "Valid fields are", "Consider ", "You might need", "No function matches"];
    let mut sentences: Vec<&str> = Vec::new();
    let mut hints: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        for sentence in line.split_inclusive(". ").map(str::trim) {
            let said = sentence.trim_end_matches('.').trim_end_matches("\")");
            // Overloads in the engine's own notation, and where to report its errors.
            if said.is_empty() || said.starts_with("This issue was") || said.starts_with("Candidate functions") {
                continue;
            }
            // The engine's nearest function is one of several that are as near, and not always the same.
            if sentences.iter().any(|sentence| sentence.starts_with("Invalid function")) {
                continue;
            }
            if said.starts_with("Please help us") || said.contains("(UserDefined)") || hints.contains(&said) {
                continue;
            }
            if offers.iter().any(|offer| said.starts_with(offer)) { hints.push(said) } else { sentences.push(said) }
        }
    }
    let hint = hints.iter().map(|hint| small(hint)).collect::<Vec<_>>().join("; ");
    (small(&sentences.join("; ")), Some(hint).filter(|hint| !hint.is_empty()))
}

/// Messages begin in lower case, but for words in capitals.
fn small(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), characters.as_str())
        }
        _ => text.to_owned(),
    }
}
