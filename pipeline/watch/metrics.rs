//! Metrics in the OpenMetrics text format, made from the state: so they are right after a restart, and the same whoever
//! ran the jobs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use super::Pulse;
use super::standing::{Outlook, Standing, standings};
use crate::config::{Job, Severity};
use crate::state::{SECONDS_BOUNDS, SendStatus, State, StateError, Totals};

/// Measures; keeps the sums over ended runs until another run has ended.
#[derive(Debug, Clone)]
pub struct Meter {
    zone: Tz,
    sums: Arc<Mutex<Option<(u64, Totals)>>>,
}

impl Meter {
    pub fn new(zone: Tz) -> Self {
        Self { zone, sums: Arc::default() }
    }

    /// All metrics, as of now.
    pub async fn text(
        &self,
        state: &State,
        jobs: &BTreeMap<String, Job>,
        outlook: &Outlook,
        pulse: &Pulse,
        now: DateTime<Utc>,
    ) -> Result<String, StateError> {
        let snapshot = Snapshot {
            standings: standings(jobs, self.zone, &state.job_facts(now).await?, now),
            totals: self.totals(state).await?,
            outlook: outlook.clone(),
            lag: pulse.lag(now),
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(snapshot));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }

    async fn totals(&self, state: &State) -> Result<Totals, StateError> {
        let mut sums = self.sums.lock().await;
        let ended = state.ended_runs().await?;
        match &*sums {
            Some((known, totals)) if *known == ended => {
                let moving = state.moving_totals().await?;
                Ok(Totals { backfill_days: moving.backfill_days, sends: moving.sends, ..totals.clone() })
            }
            _ => {
                let totals = state.totals().await?;
                *sums = Some((ended, totals.clone()));
                Ok(totals)
            }
        }
    }
}

#[derive(Debug)]
struct Snapshot {
    standings: Vec<Standing>,
    totals: Totals,
    outlook: Outlook,
    lag: TimeDelta,
}

/// Writes the families one after the other.
struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Families<'_> {
    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families { encoder };
        let families = &mut families;
        let version = [[("version", env!("CARGO_PKG_VERSION"))]];
        families.gauges("lifecycle_build_info", "Always 1", version.map(|labels| (labels, 1.0)))?;
        self.runs(families)?;
        self.data(families)?;
        self.schedule(families)?;
        self.rest(families)
    }
}

impl Snapshot {
    fn runs(&self, families: &mut Families<'_>) -> fmt::Result {
        let runs = self.totals.runs.iter().map(|count| {
            let (trigger, outcome) = (count.trigger.as_str(), count.outcome.as_str());
            ([("job", count.job.as_str()), ("trigger", trigger), ("outcome", outcome)], count.runs)
        });
        families.counters("lifecycle_runs", "Runs that ended, by how", runs)?;
        let running = self
            .standings
            .iter()
            .map(|standing| ([("job", standing.job.as_str())], f64::from(u8::from(standing.is_running()))));
        families.gauges("lifecycle_running", "Whether a run of the job is at work", running)?;
        let last = self
            .totals
            .seconds
            .iter()
            .filter_map(|seconds| Some(([("job", seconds.job.as_str())], instant(seconds.last_success?))));
        let help = "When a run of the job last ended well";
        families.gauges("lifecycle_last_success_timestamp_seconds", help, last)?;

        let help = "How long runs took";
        let name = "lifecycle_run_duration_seconds";
        let mut family = families.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for seconds in &self.totals.seconds {
            let bounds = SECONDS_BOUNDS.iter().map(|bound| *bound as f64);
            let mut buckets: Vec<(f64, u64)> = bounds.zip(seconds.buckets.iter().copied()).collect();
            let within: u64 = seconds.buckets.iter().sum();
            buckets.push((f64::INFINITY, seconds.runs.saturating_sub(within)));
            family.encode_family(&[("job", seconds.job.as_str())])?.encode_histogram::<NoLabelSet>(
                seconds.seconds,
                seconds.runs,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn data(&self, families: &mut Families<'_>) -> fmt::Result {
        let age = self
            .standings
            .iter()
            .filter_map(|standing| Some(([("job", standing.job.as_str())], seconds_of(standing.freshness.age?))));
        let help = "Since the end of the newest published business day";
        families.gauges("lifecycle_data_age_seconds", help, age)?;
        let target = self
            .standings
            .iter()
            .filter_map(|standing| Some(([("job", standing.job.as_str())], standing.freshness.target?.as_secs_f64())));
        let help = "How old the published data may become";
        families.gauges("lifecycle_data_age_target_seconds", help, target)?;
        let landed = self
            .totals
            .sources
            .iter()
            .map(|total| ([("job", total.job.as_str()), ("source", total.source.as_str())], total.landed));
        families.counters("lifecycle_rows_landed", "Raw rows that landed", landed)?;
        let rejected = self
            .totals
            .sources
            .iter()
            .map(|total| ([("job", total.job.as_str()), ("source", total.source.as_str())], total.rejected));
        families.counters("lifecycle_rows_rejected", "Raw rows that a contract refused", rejected)?;
        let failing = self.standings.iter().flat_map(|standing| {
            [("error", Severity::Error), ("warn", Severity::Warn)].map(|(name, severity)| {
                ([("job", standing.job.as_str()), ("severity", name)], standing.failing(severity) as f64)
            })
        });
        families.gauges("lifecycle_checks_failing", "Checks that failed when they last ran", failing)
    }

    fn schedule(&self, families: &mut Families<'_>) -> fmt::Result {
        let next = self.outlook.next.iter().map(|(job, next)| ([("job", job.as_str())], instant(*next)));
        families.gauges("lifecycle_next_run_timestamp_seconds", "When the job is due next", next)?;
        let missed = self.outlook.missed.iter().map(|(job, missed)| ([("job", job.as_str())], *missed));
        families.counters("lifecycle_missed_runs", "Runs that were due and did not start in time", missed)?;
        let paused = self.standings.iter().map(|standing| {
            let is_paused = self.outlook.paused.contains(&standing.job);
            ([("job", standing.job.as_str())], f64::from(u8::from(is_paused)))
        });
        families.gauges("lifecycle_job_paused", "Whether the job is paused", paused)?;
        let (name, help) = ("lifecycle_ticker_lag_seconds", "Since the schedule's last tick");
        families.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&seconds_of(self.lag))
    }

    fn rest(&self, families: &mut Families<'_>) -> fmt::Result {
        let days = self
            .totals
            .backfill_days
            .iter()
            .map(|count| ([("job", count.job.as_str()), ("status", count.status.as_str())], count.days as f64));
        families.gauges("lifecycle_backfill_days", "Days of backfills, by where they stand", days)?;
        let of = |status| {
            let found = self.totals.sends.iter().find(|(known, _)| *known == status);
            found.map_or(0, |(_, sends)| *sends)
        };
        let ended = [SendStatus::Sent, SendStatus::GivenUp].map(|status| ([("outcome", status.as_str())], of(status)));
        families.counters("lifecycle_notifications", "Notices that were sent to a target, or given up", ended)?;
        let name = "lifecycle_notifications_waiting";
        let help = "Notices that wait to be sent";
        let mut family = families.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        family.encode_gauge(&(of(SendStatus::Waiting) as f64))
    }
}

fn instant(instant: DateTime<Utc>) -> f64 {
    instant.timestamp_micros() as f64 / 1e6
}

fn seconds_of(span: TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1e3
}
