//! Progress bars on a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::Output;
use crate::progress::{Progress, Silent, StageProgress};

/// Bars, one line per stage at work.
struct Bars {
    bars: MultiProgress,
}

struct Bar {
    bar: ProgressBar,
}

/// What shows progress on this output: bars on a terminal, nothing elsewhere.
pub fn progress(output: &Output) -> Arc<dyn Progress> {
    if output.bars().is_hidden() { Arc::new(Silent) } else { Arc::new(Bars { bars: output.bars().clone() }) }
}

impl Progress for Bars {
    fn start(&self, stage: &str, total: Option<u64>) -> Arc<dyn StageProgress> {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = self.bars.add(bar);
        bar.set_style(style(total.is_some()));
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Arc::new(Bar { bar })
    }
}

/// `landing orders 120/365  date=2026-01-31.csv.gz`.
fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{spinner} {prefix} {pos}/{len} {wide_msg:.dim} {elapsed:>4}"
    } else {
        "{spinner} {prefix} {pos} {wide_msg:.dim} {elapsed:>4}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl StageProgress for Bar {
    fn set_total(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(true));
    }

    fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    fn message(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}
