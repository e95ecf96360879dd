//! The functions that SQL models call and DataFusion does not have: one file each.

/// Registers every function of this module with a session.
pub fn register(_context: &datafusion::prelude::SessionContext, _zone: chrono_tz::Tz) {}
