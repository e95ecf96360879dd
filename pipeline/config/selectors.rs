//! Which models a selector means: `churn`, `marts`, `marts.churn`, `tag:daily`, `+churn`, `churn+`.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{did_you_mean, one_of};
use super::{Model, Project, TableName};

/// Who reads whom. It comes from the SQL, so this module asks for it.
pub trait ModelGraph {
    /// The tables that a model's SQL names.
    fn inputs(&self, model: &TableName) -> Vec<TableName>;
    /// The models whose SQL names a table.
    fn readers(&self, model: &TableName) -> Vec<TableName>;
}

/// A selector that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    #[error("the selector `{selector}` names nothing, expected a model, a folder or `tag:<tag>`, with or without `+`")]
    Malformed { selector: String },
    #[error("the selector `{selector}` matches no model")]
    NoMatch { selector: String, hint: Option<String> },
}

impl SelectorError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoMatch { hint, .. } => hint.as_deref(),
            Self::Malformed { .. } => None,
        }
    }
}

/// The models that any of the selectors means, in the order of their names.
///
/// `+` before a name adds everything upstream, `+` behind it everything downstream.
pub fn select_models(
    project: &Project,
    selectors: &[String],
    graph: &dyn ModelGraph,
) -> Result<Vec<TableName>, SelectorError> {
    let mut selected = BTreeSet::new();
    for text in selectors {
        let selector = Selector::parse(text)?;
        let matched = selector.matches(&project.models)?;
        if selector.with_upstream {
            closure(project, &matched, |model| graph.inputs(model), &mut selected);
        }
        if selector.with_downstream {
            closure(project, &matched, |model| graph.readers(model), &mut selected);
        }
        selected.extend(matched);
    }
    Ok(selected.into_iter().collect())
}

/// Adds every model that can be reached, the starts included.
fn closure(
    project: &Project,
    starts: &[TableName],
    next: impl Fn(&TableName) -> Vec<TableName>,
    found: &mut BTreeSet<TableName>,
) {
    let mut seen = BTreeSet::new();
    let mut open: Vec<TableName> = starts.to_vec();
    while let Some(model) = open.pop() {
        if project.models.contains_key(&model) && seen.insert(model.clone()) {
            open.extend(next(&model));
        }
    }
    found.extend(seen);
}

/// A selector, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector<'text> {
    text: &'text str,
    name: &'text str,
    pub with_upstream: bool,
    pub with_downstream: bool,
}

impl<'text> Selector<'text> {
    pub fn parse(text: &'text str) -> Result<Self, SelectorError> {
        let after = text.trim().strip_prefix('+').unwrap_or(text.trim());
        let name = after.strip_suffix('+').unwrap_or(after);
        if name.is_empty() || name == "tag:" || name.contains(['+', ' ', ',']) {
            return Err(SelectorError::Malformed { selector: text.to_owned() });
        }
        Ok(Self {
            text,
            name,
            with_upstream: text.trim().starts_with('+'),
            with_downstream: text.trim().ends_with('+'),
        })
    }

    /// The models that the name itself means, without those up and down the stream.
    pub fn matches(&self, models: &BTreeMap<TableName, Model>) -> Result<Vec<TableName>, SelectorError> {
        let is_meant = |model: &Model| match self.name.strip_prefix("tag:") {
            Some(tag) => model.tags.iter().any(|other| other == tag),
            None => {
                model.name.schema == self.name
                    || model.name.table == self.name
                    || self.name.split_once('.') == Some((&model.name.schema, &model.name.table))
            }
        };
        let matched: Vec<TableName> =
            models.values().filter(|model| is_meant(model)).map(|model| model.name.clone()).collect();
        if matched.is_empty() {
            return Err(SelectorError::NoMatch { selector: self.text.to_owned(), hint: self.hint(models) });
        }
        Ok(matched)
    }

    fn hint(&self, models: &BTreeMap<TableName, Model>) -> Option<String> {
        let tags: BTreeSet<String> =
            models.values().flat_map(|model| &model.tags).map(|tag| format!("tag:{tag}")).collect();
        if self.name.starts_with("tag:") {
            let near = did_you_mean(self.name, tags.iter().map(String::as_str));
            let all: Vec<&String> = tags.iter().collect();
            return near.or_else(|| Some(format!("the tags are {}", one_of(&all).trim_start_matches("one of "))));
        }
        let schemas: BTreeSet<&str> = models.keys().map(|name| name.schema.as_str()).collect();
        let qualified: Vec<String> = models.keys().map(TableName::to_string).collect();
        let names = models.keys().map(|name| name.table.as_str());
        let near =
            did_you_mean(self.name, names.chain(schemas.iter().copied()).chain(qualified.iter().map(String::as_str)));
        let folders: Vec<&str> = schemas.into_iter().collect();
        near.or_else(|| {
            (!folders.is_empty()).then(|| format!("the folders are {}", one_of(&folders).trim_start_matches("one of ")))
        })
    }
}
