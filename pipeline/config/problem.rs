//! A mistake in a user's file, with its place.

use std::fmt;
use std::path::PathBuf;

/// One mistake: where it is, what was expected there, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the project's root where it lies inside it.
    pub file: PathBuf,
    /// From 1; `None` where the mistake is about the file as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// Lower case, no full stop: what is wrong, and what was expected.
    pub message: String,
    /// The text of the line, without its line break.
    pub source_line: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A mistake about a file as a whole.
    pub fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, message: message.into(), source_line: None, hint: None }
    }

    /// Adds the place: line and column from 1, in the file's whole text.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize, text: &str) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self.source_line = text.lines().nth(line.saturating_sub(1)).map(str::to_owned);
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "error: {}", self.message)?;
        let number = self.line.map(|line| line.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len().max(1));
        write!(formatter, "{margin}--> {}", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(formatter, ":{line}:{column}")?;
            if let Some(source_line) = &self.source_line {
                // Tabs stay tabs, so that the caret stands below its character.
                let indent: String = source_line
                    .chars()
                    .chain(std::iter::repeat(' '))
                    .take(column.saturating_sub(1))
                    .map(|character| if character == '\t' { '\t' } else { ' ' })
                    .collect();
                write!(formatter, "\n{margin} |\n{number} | {source_line}\n{margin} | {indent}^")?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n{margin} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Every mistake that was found, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// The value where nothing is wrong, else every problem in order, each once.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    /// One problem after the other, with an empty line between.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
