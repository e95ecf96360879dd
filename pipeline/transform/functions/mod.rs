//! The functions that SQL models call and DataFusion does not have: one file each.
