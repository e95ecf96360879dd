//! What a backfill would do, before it is written down: `--dry-run`.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::config::{Project, TableName};
use crate::land::LandingPlan;
use crate::state::Trigger;
use crate::storage::Release;

use super::super::landed::Landed;
use super::super::prepare::{PreparedSource, prepare};
use super::super::{RunError, RunRequest, Surroundings};

/// What a backfill would do.
#[derive(Debug, Clone, Default)]
pub struct BackfillOutlook {
    /// In order.
    pub days: Vec<DayOutlook>,
    /// Objects of other days, and those whose names tell no day: they land, too.
    pub other_objects: u64,
    pub other_bytes: u64,
}

/// One day of it.
#[derive(Debug, Clone)]
pub struct DayOutlook {
    pub day: NaiveDate,
    /// Whether it makes the current tables.
    pub is_current: bool,
    /// Waiting objects with the day in their name, and their bytes, compressed.
    pub objects: u64,
    pub bytes: u64,
    /// Tables whose histories get the day's rows.
    pub histories: Vec<TableName>,
}

impl BackfillOutlook {
    /// All objects that would land.
    pub fn objects(&self) -> u64 {
        self.other_objects + self.days.iter().map(|day| day.objects).sum::<u64>()
    }

    /// Their bytes, compressed.
    pub fn bytes(&self) -> u64 {
        self.other_bytes + self.days.iter().map(|day| day.bytes).sum::<u64>()
    }
}

/// Looks at what a backfill of these days would do; changes nothing.
pub async fn backfill_outlook(
    project: &Project,
    surroundings: &Surroundings,
    job: &str,
    days: &[NaiveDate],
) -> Result<BackfillOutlook, RunError> {
    let Some(last) = days.last() else { return Ok(BackfillOutlook::default()) };
    let request = |as_of| RunRequest {
        job: job.to_owned(),
        as_of,
        select: Vec::new(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Backfill,
        backfill_id: None,
    };
    let mut prepared = prepare(project, surroundings, &request(*last)).await?;
    let mut outlook = BackfillOutlook::default();
    let mut waiting: BTreeMap<NaiveDate, (u64, u64)> = BTreeMap::new();
    for source in &mut prepared.sources {
        for (day, bytes) in objects(source) {
            let place = match day.filter(|day| days.contains(day)) {
                Some(day) => waiting.entry(day).or_default(),
                None => {
                    outlook.other_objects += 1;
                    outlook.other_bytes += bytes;
                    continue;
                }
            };
            *place = (place.0 + 1, place.1 + bytes);
        }
        source.landing = LandingPlan::default();
    }
    let current_day = prepared.current.as_ref().is_none_or(|release| *last >= release.as_of).then_some(*last);
    // The last day comes first, so that the others are old days, whatever was published before.
    let nothing = || Release {
        number: 0,
        job: job.to_owned(),
        run_id: String::new(),
        as_of: *last,
        created_at: (surroundings.clock)(),
        rollback_of: None,
        tables: BTreeMap::new(),
        landed: BTreeMap::new(),
    };
    let mut release = prepared.current.take().unwrap_or_else(nothing);
    release.as_of = release.as_of.max(*last);
    prepared.current = Some(release);
    let landed = Landed::look(project, surroundings, prepared).await?;
    for day in days {
        let plan = landed.plan(project, &request(*day));
        let (objects, bytes) = waiting.get(day).copied().unwrap_or_default();
        let writing = plan.models.iter().filter(|step| step.writes_history);
        outlook.days.push(DayOutlook {
            day: *day,
            is_current: Some(*day) == current_day,
            objects,
            bytes,
            histories: writing.map(|step| step.model.clone()).collect(),
        });
    }
    Ok(outlook)
}

/// The day and the bytes of each object that waits.
fn objects(source: &PreparedSource) -> Vec<(Option<NaiveDate>, u64)> {
    let diff = &source.landing.diff;
    let changed = diff.changed.iter().map(|(object, _)| object);
    diff.new.iter().chain(changed).map(|object| (object.day, object.size)).collect()
}
