//! A seeded generator of a believable business: the raw files as its systems would drop them.
//!
//! [`generate`] simulates a shop day by day and writes each day's objects below `raw/`: the feeds of `jobs/nightly.yaml`, in
//! CSV, NDJSON and Parquet, packed and plain, with the dirt of real life. Beside the files it keeps the truth about them
//! ([`PlantedFacts`]), so that a test can compare the published tables with it. The other functions deliver what comes
//! after the window: one more day, a corrected object, a late one.
//!
//! The same settings give the same bytes and times of modification. A day's objects depend on nothing that comes later,
//! so one more day is the same business going on. Memory holds about 300 bytes per customer, the rows of one day and
//! those of a week of the weekly feeds: 290 MB for a million customers.
//!
//! Reading order: `world` (a day), `shopping`, `contacts`, `marketing` (what happens), `scripted` and `lives` (what must
//! happen), `outbox` (what is delivered when, and broken how), `ledger` and `facts` (what is true).

mod breakage;
mod calendar;
mod catalogue;
mod contacts;
mod corrections;
mod encode;
mod facts;
mod feeds;
mod ledger;
mod lives;
mod marketing;
mod outbox;
mod parquet_file;
mod people;
mod population;
mod random;
mod record;
mod rows;
mod scripted;
mod settings;
mod shopping;
mod world;

pub use corrections::{CorrectedLine, LateOrder, deliver_correction, deliver_late_object};
pub use facts::{
    CampaignFacts, ChurnFacts, ChurnShare, DemoObject, DemoSummary, FeedSummary, PlantedFacts, ReferralFacts, Referrer,
    ScriptedCustomer, SecondPurchaseFacts, StageFacts,
};
pub use settings::{DemoError, DemoProgress, DemoSettings};

use std::fs;
use std::io::ErrorKind;

use world::World;

/// Writes the raw objects of every day of the window, and returns what is in them.
///
/// Refuses a directory whose `raw/` already holds something: objects of other settings would mix with these.
pub fn generate(settings: &DemoSettings, progress: &mut dyn FnMut(DemoProgress)) -> Result<DemoSummary, DemoError> {
    let mut world = World::new(settings, settings.days.saturating_sub(1), 0)?;
    let raw = settings.raw();
    match fs::read_dir(&raw) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(DemoError::NotEmpty { path: raw });
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(DemoError::folder(&raw)(error)),
    }
    fs::create_dir_all(&raw).map_err(DemoError::folder(&raw))?;
    world.run(settings.days, progress)?;
    Ok(world.finish(settings.days - 1))
}

/// Writes the objects of the `nth` day after the window (1 to 31), and returns them with the facts as of that day.
///
/// The business is simulated again from its first day; the days before are not written.
pub fn deliver_next_day(settings: &DemoSettings, nth: u32) -> Result<DemoSummary, DemoError> {
    if !(1..=calendar::DAYS_AFTER).contains(&nth) {
        let message = format!("day {nth} after the window must be between 1 and {}", calendar::DAYS_AFTER);
        return Err(DemoError::Settings { message });
    }
    let day = settings.days.saturating_sub(1) + nth;
    let mut world = World::new(settings, day, day)?;
    world.run(day + 1, &mut |_| {})?;
    Ok(world.finish(day))
}
