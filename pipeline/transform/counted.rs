//! What is counted of a table while it is written, so that no check has to read it again for that.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{concat, partition};
use arrow::error::ArrowError;

use crate::config::Model;
use crate::storage::DataFile;

/// Facts about all rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// By column, of those for which it is known.
    nulls: Vec<(String, u64)>,
    /// Whether no two rows have the same grain; `None` where that is not known.
    has_unique_grain: Option<bool>,
}

impl Counted {
    /// Rows without a value in a column; `None` where that is not known.
    pub fn nulls(&self, column: &str) -> Option<u64> {
        self.nulls.iter().find(|(name, _)| name == column).map(|(_, count)| *count)
    }

    /// Whether no two rows have the same grain; `None` where that is not known.
    pub fn has_unique_grain(&self) -> Option<bool> {
        self.has_unique_grain
    }

    /// The facts of two parts of a table together; no grain is in both where `is_apart`.
    pub(super) fn with(self, other: &Self, is_apart: bool) -> Self {
        let nulls = self.nulls.into_iter().filter_map(|(name, count)| Some((other.nulls(&name)? + count, name)));
        let nulls = nulls.map(|(count, name)| (name, count)).collect();
        let is_unique = is_apart && self.has_unique_grain == Some(true) && other.has_unique_grain == Some(true);
        Self { nulls, has_unique_grain: is_unique.then_some(true) }
    }

    /// The facts of files that stay from a version whose checks passed: what their own statistics say.
    pub(super) fn of_kept(files: &[DataFile], model: &Model) -> Self {
        let nulls = model.columns.iter().filter_map(|column| {
            let counts: Option<Vec<u64>> = files.iter().map(|file| file.null_count(&column.name)).collect();
            Some((column.name.clone(), counts?.into_iter().sum()))
        });
        Self { nulls: nulls.collect(), has_unique_grain: Some(true) }
    }
}

/// Counts batch by batch.
pub(super) struct Counter {
    nulls: Vec<(String, u64)>,
    /// The plan gives no grain twice.
    is_unique: bool,
    /// Positions of the grain's columns; `None`: the rows are in another order, or it is known already.
    grain: Option<Vec<usize>>,
    has_repeats: bool,
    /// The grain of the row before, one value in each array.
    last: Option<Vec<ArrayRef>>,
}

impl Counter {
    /// `is_in_order`: the rows come sorted by the model's grain, so that equal ones are neighbours. `is_unique`: no two
    /// rows have the same, as is known from elsewhere.
    pub fn new(model: &Model, is_in_order: bool, is_unique: bool) -> Self {
        let position = |name: &String| model.columns.iter().position(|column| column.name == *name);
        let grain: Option<Vec<usize>> = model.grain.iter().map(position).collect();
        Self {
            nulls: model.columns.iter().map(|column| (column.name.clone(), 0)).collect(),
            is_unique,
            grain: grain.filter(|columns| is_in_order && !is_unique && !columns.is_empty()),
            has_repeats: false,
            last: None,
        }
    }

    /// Takes the next rows, which have the model's columns in its order.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        for ((_, count), column) in self.nulls.iter_mut().zip(batch.columns()) {
            *count += column.logical_null_count() as u64;
        }
        let Some(grain) = self.grain.as_ref().filter(|_| !self.has_repeats && batch.num_rows() > 0) else {
            return Ok(());
        };
        let columns: Vec<ArrayRef> = grain.iter().map(|position| batch.column(*position).clone()).collect();
        if let Some(last) = &self.last {
            let seam = last
                .iter()
                .zip(&columns)
                .map(|(before, column)| concat(&[before.as_ref(), column.slice(0, 1).as_ref()]))
                .collect::<Result<Vec<_>, _>>()?;
            self.has_repeats = partition(&seam)?.len() == 1;
        }
        self.has_repeats = self.has_repeats || partition(&columns)?.len() < batch.num_rows();
        self.last = Some(columns.iter().map(|column| column.slice(column.len() - 1, 1)).collect());
        Ok(())
    }

    pub fn finish(self) -> Counted {
        let has_unique_grain = if self.is_unique { Some(true) } else { self.grain.map(|_| !self.has_repeats) };
        Counted { nulls: self.nulls, has_unique_grain }
    }
}
