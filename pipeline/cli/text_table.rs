//! Aligned columns of text for people.

use super::output::Style;

/// A table of text: a header, then rows; columns are as wide as their widest cell.
#[derive(Debug, Default)]
pub struct TextTable {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Column {
    name: String,
    is_number: bool,
}

/// A text with the style in which it is printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub text: String,
    pub style: Style,
}

impl Cell {
    /// A text with a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::Plain }
    }
}

impl TextTable {
    /// Adds a column of text, aligned left.
    #[must_use]
    pub fn text(mut self, name: &str) -> Self {
        self.columns.push(Column { name: name.to_owned(), is_number: false });
        self
    }

    /// Adds a column of numbers, aligned right.
    #[must_use]
    pub fn number(mut self, name: &str) -> Self {
        self.columns.push(Column { name: name.to_owned(), is_number: true });
        self
    }

    /// Adds a row: one cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes the lines; `paint` puts a style around a padded text.
    pub fn render(&self, paint: impl Fn(&str, Style) -> String) -> String {
        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(position));
                cells.map(|cell| width(&cell.text)).chain([width(&column.name)]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: Vec<(&str, Style)>| {
            let last = cells.len().saturating_sub(1);
            let padded = cells.iter().enumerate().zip(self.columns.iter().zip(&widths)).map(
                |((position, (text, style)), (column, column_width))| {
                    let blanks = " ".repeat(column_width - width(text).min(*column_width));
                    if column.is_number {
                        format!("{blanks}{}", paint(text, *style))
                    } else if position == last {
                        paint(text, *style)
                    } else {
                        format!("{}{blanks}", paint(text, *style))
                    }
                },
            );
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let header = line(self.columns.iter().map(|column| (column.name.as_str(), Style::Faint)).collect());
        let rows = self.rows.iter().map(|row| line(row.iter().map(|cell| (cell.text.as_str(), cell.style)).collect()));
        std::iter::once(header).chain(rows).map(|line| line + "\n").collect()
    }
}
