//! Where the values of a chunk are: what the scanners of CSV and NDJSON hand to the contract.

/// What stands in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CellKind {
    /// Absent, an empty CSV field, or a JSON null.
    #[default]
    Missing,
    /// Text in the chunk itself: a CSV field, or a JSON string without escapes.
    Text,
    /// Text that had to be unescaped, in the chunk's scratch buffer.
    Unescaped,
    /// A JSON number or boolean, as written.
    Bare,
    /// A JSON object or array, as written.
    Nested,
}

/// One value of one record: a range of the chunk (or of its scratch buffer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub start: u32,
    pub length: u32,
    pub kind: CellKind,
}

/// A column of values, by row.
pub(crate) trait CellSource {
    fn rows(&self) -> usize;
    /// The kind and the bytes of the value in `row`; the bytes of a missing one are empty.
    fn value(&self, row: usize) -> (CellKind, &[u8]);
}
