//! The dictionary as one HTML page that needs nothing else: no network, no other file.

use std::fmt::Write;

use crate::config::TableName;

use super::{Dictionary, TableEntry, one_line, sections, severity_word, values_words};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the whole dictionary as one page with a list of tables to search in.
pub fn html(dictionary: &Dictionary) -> String {
    let mut page = String::new();
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<title>Data dictionary</title>\n");
    put(&mut page, format_args!("<style>\n{STYLE}</style>\n</head>\n<body>\n"));
    contents(&mut page, dictionary);
    page.push_str("<main>\n<h1>Data dictionary</h1>\n");
    put(
        &mut page,
        format_args!(
            "<p>Business days are days in {}; money is in {}.",
            text(&dictionary.timezone),
            text(&dictionary.currency)
        ),
    );
    for release in &dictionary.releases {
        put(
            &mut page,
            format_args!(
                " Job <code>{}</code> has published release {} with the tables as of {}.",
                text(&release.job),
                release.number,
                release.as_of
            ),
        );
    }
    page.push_str("</p>\n");
    for (heading, tables) in sections(dictionary) {
        put(&mut page, format_args!("<h2>{}</h2>\n", text(&heading)));
        for table in tables {
            table_section(&mut page, table);
        }
    }
    parameters(&mut page, dictionary);
    put(&mut page, format_args!("</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"));
    page
}

/// Writing to a String cannot fail.
fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(arguments);
}

fn contents(page: &mut String, dictionary: &Dictionary) {
    page.push_str("<nav>\n<label>Search <input id=\"search\" type=\"search\" autocomplete=\"off\"></label>\n");
    for (heading, tables) in sections(dictionary) {
        put(page, format_args!("<h2>{}</h2>\n<ul>\n", text(&heading)));
        for table in tables {
            put(page, format_args!("<li>{}</li>\n", link(&table.name, &table.name.table)));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("<ul><li><a href=\"#parameters\">parameters</a></li></ul>\n</nav>\n");
}

fn table_section(page: &mut String, table: &TableEntry) {
    put(page, format_args!("<section id=\"{0}\">\n<h3>{0}</h3>\n", text(&table.name.to_string())));
    put(page, format_args!("<p>{}</p>\n<dl>\n", text(&one_line(&table.description))));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            put(page, format_args!("<dt>{name}</dt><dd>{value}</dd>\n"));
        }
    };
    fact("made as", text(&table.made_as));
    fact("grain", text(&table.grain.join(", ")));
    fact("rows", table.rows.map(|rows| rows.to_string()).unwrap_or_default());
    fact("history", table.history.as_deref().map(text).unwrap_or_default());
    fact("owner", table.owner.as_deref().map(text).unwrap_or_default());
    fact("tags", text(&table.tags.join(", ")));
    fact("file", format!("<code>{}</code>", text(&table.file)));
    let names = table.parameters.iter().map(|name| format!("<a href=\"#parameters\">${}</a>", text(name)));
    fact("parameters", names.collect::<Vec<_>>().join(", "));
    fact("reads", links(&table.reads));
    fact("read by", links(&table.read_by));
    page.push_str("</dl>\n<table>\n<tr><th>column</th><th>type</th><th>meaning</th><th>from</th></tr>\n");
    for column in &table.columns {
        let from = column.from.iter().map(|(table, name)| link(table, &format!("{table}.{name}")));
        put(
            page,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                text(&column.name),
                text(&column.data_type),
                text(&one_line(&column.description)),
                from.collect::<Vec<_>>().join(", ")
            ),
        );
    }
    page.push_str("</table>\n");
    checks(page, table);
    page.push_str("</section>\n");
}

fn checks(page: &mut String, table: &TableEntry) {
    if table.checks.is_empty() {
        return;
    }
    put(page, format_args!("<details>\n<summary>{} checks</summary>\n<table>\n", table.checks.len()));
    page.push_str("<tr><th>check</th><th>demands</th><th>severity</th><th>last result</th></tr>\n");
    for check in &table.checks {
        let (class, last) = match &check.last {
            Some(last) if last.is_passed => ("passed", format!("{} (as of {})", last.words, last.as_of)),
            Some(last) => ("failed", format!("{} (as of {})", last.words, last.as_of)),
            None => ("unknown", "not run yet".to_owned()),
        };
        put(
            page,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td></tr>\n",
                text(&check.name),
                text(&check.demand),
                severity_word(check.severity),
                text(&last)
            ),
        );
    }
    page.push_str("</table>\n</details>\n");
}

fn parameters(page: &mut String, dictionary: &Dictionary) {
    page.push_str("<h2 id=\"parameters\">parameters</h2>\n<table>\n");
    page.push_str("<tr><th>parameter</th><th>value</th><th>default</th><th>meaning</th><th>used by</th></tr>\n");
    for parameter in &dictionary.parameters {
        put(
            page,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                text(&parameter.name),
                text(&values_words(parameter)),
                text(parameter.default.as_deref().unwrap_or_default()),
                text(&parameter.description),
                links(&parameter.used_by)
            ),
        );
    }
    page.push_str("</table>\n");
}

fn links(tables: &[TableName]) -> String {
    tables.iter().map(|table| link(table, &table.to_string())).collect::<Vec<_>>().join(", ")
}

fn link(table: &TableName, words: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", text(&table.to_string()), text(words))
}

/// Text in which nothing is markup, also inside quotes.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for character in raw.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
