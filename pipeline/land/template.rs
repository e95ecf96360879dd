//! A source's location: a folder, and a pattern of names below it with `{day}` and globs.

use chrono::NaiveDate;
use globset::{GlobBuilder, GlobMatcher};
use object_store::path::Path;
use url::Url;

const DAY: &str = "{day}";
/// Stands for the day in a pattern and in the names that are matched with it: no name holds it.
const DAY_MARK: &str = "\u{1}";

/// A location that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("location `{location}` is not a URL such as file:///folder/*.csv or s3://bucket/folder/*.csv")]
    Url { location: String, source: url::ParseError },
    #[error("location `{location}` names no folder or object")]
    Folder { location: String },
    #[error("location `{location}` is not a usable pattern")]
    Pattern { location: String, source: globset::Error },
    #[error("location `{location}` is not a usable path")]
    Path { location: String, source: object_store::path::Error },
}

/// A source's location, taken apart.
#[derive(Debug, Clone)]
pub struct Template {
    /// As written.
    pub location: String,
    /// The folder before the first wildcard, with a slash at its end.
    pub folder: Url,
    /// The rest.
    pattern: String,
    /// Of the pattern with a mark in the place of the day: made once, as a drop zone may hold many thousand names.
    matcher: GlobMatcher,
}

impl Template {
    /// Takes a location apart.
    pub fn parse(location: &str) -> Result<Self, TemplateError> {
        let wild = location.find(['*', '?', '[', '{']).unwrap_or(location.len());
        let at = location[..wild].rfind('/').map(|slash| slash + 1);
        let folder_error = || TemplateError::Folder { location: location.to_owned() };
        let (folder, pattern) = location.split_at(at.ok_or_else(folder_error)?);
        let folder =
            Url::parse(folder).map_err(|source| TemplateError::Url { location: location.to_owned(), source })?;
        if pattern.is_empty() || folder.cannot_be_a_base() {
            return Err(folder_error());
        }
        // Without wildcards the rest is the end of a URL, and may be escaped like one.
        let pattern = if wild == location.len() {
            Path::from_url_path(pattern)
                .map_err(|source| TemplateError::Path { location: location.to_owned(), source })?
                .to_string()
        } else {
            pattern.to_owned()
        };
        let matcher = matcher(&pattern.replace(DAY, DAY_MARK))
            .map_err(|source| TemplateError::Pattern { location: location.to_owned(), source })?;
        Ok(Self { location: location.to_owned(), folder, pattern, matcher })
    }

    /// Whether `{day}` stands in the location.
    pub fn has_day(&self) -> bool {
        self.pattern.contains(DAY)
    }

    /// Whether an object below the folder belongs to the source.
    pub fn matches(&self, relative: &str) -> bool {
        if self.has_day() { self.day_of(relative).is_some() } else { self.matcher.is_match(relative) }
    }

    /// The day for which `{day}` stands in an object's name.
    pub fn day_of(&self, relative: &str) -> Option<NaiveDate> {
        if !self.has_day() {
            return None;
        }
        (0..relative.len().saturating_sub(9)).find_map(|start| {
            let text = relative.get(start..start + 10)?;
            if text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
                return None;
            }
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            self.matcher.is_match(relative.replace(text, DAY_MARK)).then_some(day)
        })
    }

    /// The one object that the location names, below the folder; `None` where it may be several.
    pub fn object(&self) -> Option<&str> {
        (!self.pattern.contains(['*', '?', '[', '{'])).then_some(&self.pattern)
    }
}

fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(glob).literal_separator(true).build()?.compile_matcher())
}
