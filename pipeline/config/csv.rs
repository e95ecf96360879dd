//! CSV of seeds: RFC 4180, with the line of every record.

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// An empty field without quotes is null.
    pub fields: Vec<Option<String>>,
}

/// Why a text is not CSV.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CsvError {
    pub line: usize,
    pub message: &'static str,
}

/// Splits a text into records. Empty lines are skipped.
pub(crate) fn parse_csv(text: &str) -> Result<Vec<Record>, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Vec::new();
    let mut characters = text.chars().peekable();
    let mut line = 1;
    while characters.peek().is_some() {
        let start = line;
        let mut fields = Vec::new();
        loop {
            let (field, was_quoted) = if characters.next_if_eq(&'"').is_some() {
                let mut field = String::new();
                loop {
                    match characters.next() {
                        Some('"') if characters.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') => break,
                        Some(character) => {
                            line += usize::from(character == '\n');
                            field.push(character);
                        }
                        None => return Err(CsvError { line: start, message: "a quoted field is not closed" }),
                    }
                }
                (field, true)
            } else {
                let mut field = String::new();
                while let Some(character) = characters.next_if(|character| !matches!(character, ',' | '\n' | '\r')) {
                    if character == '"' {
                        return Err(CsvError {
                            line,
                            message: "a quote stands inside a field that has none around it",
                        });
                    }
                    field.push(character);
                }
                (field, false)
            };
            fields.push((was_quoted || !field.is_empty()).then_some(field));
            let _ = characters.next_if_eq(&'\r');
            match characters.next() {
                Some(',') => {}
                Some('\n') => {
                    line += 1;
                    break;
                }
                None => break,
                Some(_) => return Err(CsvError { line, message: "text stands behind a closing quote" }),
            }
        }
        if fields != [None] {
            records.push(Record { line: start, fields });
        }
    }
    Ok(records)
}
