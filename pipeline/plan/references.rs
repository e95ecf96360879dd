//! What a model's SQL reads: tables and parameters, from its syntax alone.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement as ParsedStatement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, visit_expressions};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::config::TableName;

/// Tables and parameters that one SQL text names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    pub tables: BTreeSet<TableName>,
    /// Without the dollar sign.
    pub parameters: BTreeSet<String>,
}

/// Why a SQL text is not one query: the words, and the place from 1 where the parser knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlMistake {
    pub message: String,
    pub place: Option<(usize, usize)>,
}

/// Reads the one query of a text; its table names must be `schema.table`.
pub fn references(sql: &str) -> Result<References, SqlMistake> {
    let mut statements = DFParserBuilder::new(sql)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| syntax_mistake(sql, &error.strip_backtrace()))?;
    let Some(statement) = statements.pop_front() else {
        return Err(SqlMistake { message: "no query here, expected one select".to_owned(), place: Some((1, 1)) });
    };
    if !statements.is_empty() {
        let message = "more than one statement, expected one select".to_owned();
        return Err(SqlMistake { message, place: second_statement(sql) });
    }
    let ParsedStatement::Statement(inner) = &statement else {
        return Err(SqlMistake { message: "not a query, expected one select".to_owned(), place: Some((1, 1)) });
    };
    if !matches!(inner.as_ref(), Statement::Query(_)) {
        return Err(SqlMistake { message: "not a query, expected one select".to_owned(), place: Some((1, 1)) });
    }
    let (found, _) =
        resolve_table_references(&statement, true).map_err(|error| syntax_mistake(sql, &error.strip_backtrace()))?;
    let mut tables = BTreeSet::new();
    for table in found {
        match (table.catalog(), table.schema()) {
            (None, Some(schema)) => {
                tables.insert(TableName::new(schema, table.table()));
            }
            _ => {
                return Err(SqlMistake {
                    message: format!(
                        "table `{table}` has no schema, expected a name such as `staging.{}`",
                        table.table()
                    ),
                    place: find_word(sql, table.table()),
                });
            }
        }
    }
    let mut parameters = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(inner, |expression| {
        if let Expr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
        {
            parameters.insert(name.trim_start_matches('$').to_owned());
        }
        ControlFlow::Continue(())
    });
    Ok(References { tables, parameters })
}

/// The parser's words without its prefix, and the place that it writes at their end.
fn syntax_mistake(sql: &str, text: &str) -> SqlMistake {
    let message = ["SQL error: ", "ParserError(\"", "TokenizerError(\""]
        .iter()
        .fold(text, |text, prefix| text.trim_start_matches(prefix))
        .trim_end_matches("\")");
    let Some((words, place)) = message.rsplit_once(" at Line: ") else {
        let place = if message.ends_with("found: EOF") { Some(end_of(sql)) } else { None };
        return SqlMistake { message: first_letter_small(message), place };
    };
    let mut numbers = place.split(", Column: ").map(|text| text.trim().parse::<usize>());
    let place = match (numbers.next(), numbers.next()) {
        (Some(Ok(line)), Some(Ok(column))) => Some((line, column)),
        _ => None,
    };
    SqlMistake { message: first_letter_small(words), place }
}

/// Messages begin in lower case, but for words in capitals.
fn first_letter_small(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), characters.as_str())
        }
        _ => text.to_owned(),
    }
}

/// The place behind the last character that is no white space.
fn end_of(sql: &str) -> (usize, usize) {
    let text = sql.trim_end();
    let last = text.lines().last().unwrap_or_default();
    (text.lines().count().max(1), last.chars().count() + 1)
}

/// Where the statement after the first semicolon begins.
fn second_statement(sql: &str) -> Option<(usize, usize)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let mut after = tokens.iter().skip_while(|token| token.token != Token::SemiColon);
    let second = after.find(|token| !matches!(token.token, Token::SemiColon | Token::Whitespace(_)))?;
    let at = |number: u64| usize::try_from(number).ok();
    Some((at(second.span.start.line)?, at(second.span.start.column)?))
}

/// Where a table is first named in a SQL text: with its schema, or where that is not written so, alone.
pub fn find_table(sql: &str, table: &TableName) -> Option<(usize, usize)> {
    find_word(sql, &table.to_string()).or_else(|| find_word(sql, &table.table))
}

/// Where a word first stands in a SQL text as a whole word outside of comments: line and column, from 1.
pub fn find_word(sql: &str, word: &str) -> Option<(usize, usize)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    for (index, line) in sql.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default();
        let lower = code.to_lowercase();
        for (start, found) in lower.match_indices(&word.to_lowercase()) {
            let before = lower.get(..start).and_then(|text| text.chars().next_back());
            let after = lower.get(start + found.len()..).and_then(|text| text.chars().next());
            if !before.is_some_and(is_word) && !after.is_some_and(is_word) {
                let column = lower.get(..start).map_or(0, |text| text.chars().count()) + 1;
                return Some((index + 1, column));
            }
        }
    }
    None
}
