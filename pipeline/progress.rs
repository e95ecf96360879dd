//! How stages say how far they are, without knowing who watches.

use std::sync::Arc;

/// Somebody who watches stages at work.
pub trait Progress: Send + Sync {
    /// Begins a stage, named as people read it (`landing orders`); `total` is in the stage's own unit, where known.
    fn start(&self, stage: &str, total: Option<u64>) -> Arc<dyn StageProgress>;
}

/// One stage at work. Dropping it finishes it.
pub trait StageProgress: Send + Sync {
    /// Corrects the total.
    fn set_total(&self, total: u64);
    /// Adds to what is done.
    fn advance(&self, by: u64);
    /// Says what is at work now: an object, a table.
    fn message(&self, message: &str);
    /// Ends the stage.
    fn finish(&self);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _stage: &str, _total: Option<u64>) -> Arc<dyn StageProgress> {
        Arc::new(Silent)
    }
}

impl StageProgress for Silent {
    fn set_total(&self, _total: u64) {}
    fn advance(&self, _by: u64) {}
    fn message(&self, _message: &str) {}
    fn finish(&self) {}
}
