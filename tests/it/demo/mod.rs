//! The demo business: what `generate` writes, read back without the generator's help.

mod contract;
mod deliveries;
mod determinism;
mod dirt;
mod files;
mod landing;
mod planted;
mod scale;

use std::path::Path;
use std::sync::OnceLock;

use lifecycle::demo::{DemoSettings, DemoSummary, generate};
use tempfile::TempDir;

/// The default business, generated once for all tests that only read it.
fn default_business() -> &'static (TempDir, DemoSummary) {
    static BUSINESS: OnceLock<(TempDir, DemoSummary)> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let summary = write(&DemoSettings::new(directory.path()));
        (directory, summary)
    })
}

fn small(directory: &Path, customers: u32, days: u32) -> DemoSettings {
    DemoSettings { customers, days, ..DemoSettings::new(directory) }
}

fn write(settings: &DemoSettings) -> DemoSummary {
    generate(settings, &mut |_| {}).unwrap()
}
