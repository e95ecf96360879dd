//! The dictionary as Markdown.

use std::fmt::Write;

use crate::config::TableName;

use super::{Dictionary, TableEntry, one_line, sections, severity_word, values_words};

/// Writes the whole dictionary as one Markdown page with links inside it.
pub fn markdown(dictionary: &Dictionary) -> String {
    let mut page = Page(String::new());
    page.line("# Data dictionary");
    page.line("");
    page.line("Written by `lifecycle docs`; changes belong into the models' YAML.");
    page.line(&format!(
        "Business days are days in {}; money is in {}.",
        escaped(&dictionary.timezone),
        escaped(&dictionary.currency)
    ));
    for release in &dictionary.releases {
        page.line(&format!(
            "Job `{}` has published release {} with the tables as of {}.",
            release.job, release.number, release.as_of
        ));
    }
    for (heading, tables) in sections(dictionary) {
        page.line("");
        page.line(&format!("## {heading}"));
        page.line("");
        page.row(&["table", "rows", "what it is"]);
        page.row(&["---", "---:", "---"]);
        for table in &tables {
            let rows = table.rows.map(|rows| rows.to_string()).unwrap_or_default();
            page.row(&[&link(&table.name), &rows, &escaped(first_sentence(&one_line(&table.description)))]);
        }
        for table in tables {
            page.table(table);
        }
    }
    page.parameters(dictionary);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn row(&mut self, cells: &[&str]) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }

    fn table(&mut self, table: &TableEntry) {
        self.line("");
        self.line(&format!("### {}", table.name));
        self.line("");
        self.line(&escaped(&one_line(&table.description)));
        self.line("");
        let mut facts = vec![format!("made as: {}", table.made_as)];
        if !table.grain.is_empty() {
            facts.push(format!("grain: {}", table.grain.join(", ")));
        }
        if let Some(history) = &table.history {
            facts.push(format!("history: {history}, in `{}_history`", table.name));
        }
        if let Some(owner) = &table.owner {
            facts.push(format!("owner: {}", escaped(owner)));
        }
        if !table.tags.is_empty() {
            facts.push(format!("tags: {}", escaped(&table.tags.join(", "))));
        }
        facts.push(format!("file: `{}`", table.file));
        if !table.parameters.is_empty() {
            let names: Vec<String> = table.parameters.iter().map(|name| format!("[${name}](#parameters)")).collect();
            facts.push(format!("parameters: {}", names.join(", ")));
        }
        for (word, tables) in [("reads", &table.reads), ("read by", &table.read_by)] {
            if !tables.is_empty() {
                facts.push(format!("{word}: {}", tables.iter().map(link).collect::<Vec<_>>().join(", ")));
            }
        }
        for fact in facts {
            self.line(&format!("- {fact}"));
        }
        self.line("");
        self.row(&["column", "type", "meaning", "from"]);
        self.row(&["---", "---", "---", "---"]);
        for column in &table.columns {
            let from: Vec<String> = column.from.iter().map(|(table, name)| format!("{table}.{name}")).collect();
            self.row(&[
                &format!("`{}`", column.name),
                &column.data_type,
                &escaped(&one_line(&column.description)),
                &escaped(&from.join(", ")),
            ]);
        }
        if !table.checks.is_empty() {
            self.line("");
            self.row(&["check", "demands", "severity", "last result"]);
            self.row(&["---", "---", "---", "---"]);
            for check in &table.checks {
                let last = check.last.as_ref().map(|last| format!("{} (as of {})", last.words, last.as_of));
                self.row(&[
                    &format!("`{}`", check.name),
                    &escaped(&check.demand),
                    severity_word(check.severity),
                    &last.unwrap_or_else(|| "not run yet".to_owned()),
                ]);
            }
        }
    }

    fn parameters(&mut self, dictionary: &Dictionary) {
        self.line("");
        self.line("## Parameters");
        self.line("");
        self.row(&["parameter", "value", "default", "meaning", "used by"]);
        self.row(&["---", "---", "---", "---", "---"]);
        for parameter in &dictionary.parameters {
            self.row(&[
                &format!("`{}`", parameter.name),
                &escaped(&values_words(parameter)),
                &escaped(parameter.default.as_deref().unwrap_or_default()),
                &escaped(&parameter.description),
                &parameter.used_by.iter().map(link).collect::<Vec<_>>().join(", "),
            ]);
        }
    }
}

/// A link to a table's heading, as renderers of Markdown name it.
fn link(table: &TableName) -> String {
    format!("[{table}](#{}{})", table.schema, table.table)
}

/// Text in which nothing is markup, and that fits a table's cell.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '|' | '*' | '_' | '<' | '>' | '`' | '[' | ']') {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}
