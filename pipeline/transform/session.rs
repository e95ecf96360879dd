//! The one place that makes a DataFusion session.

use std::sync::Arc;

use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{MemoryLimit, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::TransformError;
use super::functions;
use super::memory_pool::HeadroomPool;

/// Resident memory can exceed the pool by 1.8 times, so the pool gets this share of the limit.
const POOL_SHARE: f64 = 0.6;

/// Sorts, in all partitions, that may hold memory at once.
const SORTS_AT_ONCE: usize = 24;

/// Spilled runs that one sort merges at once: the first sort of a join would else take what the others need.
const SPILLED_RUNS_AT_ONCE: usize = 8;

/// Rows of a batch where memory is short: as many as fit where all sorts merge at once, in this range.
const LEAST_BATCH_ROWS: usize = 64;
const SMALL_BATCH_ROWS: usize = 1024;
/// A merge accounts for each batch of a run twice, and holds two of them.
const BATCHES_PER_RUN: usize = 4;
/// Bytes of a row that is called wide.
const WIDE_ROW_BYTES: usize = 512;

/// What a session may use.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Bytes, for the whole process.
    pub memory_limit: u64,
    /// Query partitions; at least 1.
    pub parallelism: usize,
    /// The zone of business days.
    pub timezone: chrono_tz::Tz,
}

/// Makes the memory pool and the spill folder that the sessions of one run share.
pub(super) fn runtime(settings: &SessionSettings) -> Result<Arc<RuntimeEnv>, TransformError> {
    let pool_bytes = pool_bytes(settings);
    let largest = std::num::NonZeroUsize::MIN.saturating_add(4);
    let pool = TrackConsumersPool::new(HeadroomPool::new(pool_bytes), largest);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_spill_merge_fan_in(SPILLED_RUNS_AT_ONCE);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        // A long-lived process must see new files: nothing here lists folders, and nothing may remember a listing.
        .with_object_list_cache_limit(0)
        .build_arc()
        .map_err(|source| TransformError::engine("the query engine could not start", source))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn pool_bytes(settings: &SessionSettings) -> usize {
    (settings.memory_limit as f64 * POOL_SHARE) as usize
}

/// Makes a session with this crate's functions, without tables.
pub(super) fn session(settings: &SessionSettings, runtime: Arc<RuntimeEnv>) -> Result<SessionContext, TransformError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(settings.parallelism.max(1))
        .with_information_schema(false)
        .with_default_catalog_and_schema("lifecycle", "marts")
        .with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // Text is Utf8 throughout: a fair pool spills sorts of string views badly, and Delta stores no views.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.optimizer.prefer_hash_join = true;
    // What a sort keeps back to merge with: under a small limit the default would be all there is.
    let reservation = pool_bytes(settings) / SORTS_AT_ONCE;
    options.execution.sort_spill_reservation_bytes = options.execution.sort_spill_reservation_bytes.min(reservation);
    let state = SessionStateBuilder::new_with_default_features().with_config(config).with_runtime_env(runtime).build();
    let mut context = SessionContext::new_with_state(state);
    functions::register(&mut context, settings.timezone)
        .map_err(|source| TransformError::engine("the functions could not be registered", source))?;
    Ok(context)
}

/// Makes a session plan as if memory were short: joins that spill, few partitions, small batches.
pub(super) fn make_frugal(state: &mut SessionState) -> Result<(), DataFusionError> {
    let bytes = match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes,
        _ => usize::MAX,
    };
    let batch_rows = bytes / (SORTS_AT_ONCE * SPILLED_RUNS_AT_ONCE * BATCHES_PER_RUN * WIDE_ROW_BYTES);
    let batch_rows = batch_rows.clamp(LEAST_BATCH_ROWS, SMALL_BATCH_ROWS);
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    // With a single partition the planner knows no other join than the one that does not spill.
    options.execution.target_partitions = 2;
    options.optimizer.repartition_joins = true;
    // A merge of spilled runs holds some batches of each.
    options.execution.batch_size = ConfigNonZeroUsize::try_new(batch_rows)?;
    Ok(())
}

/// Whether a plan failed for want of memory, and one that spills may not.
///
/// A nested-loop join that runs out of memory reads its left side a second time (DataFusion 55.2), which an exchange of
/// rows below it answers with a panic of these words.
pub fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
        || error.to_string().contains("partition not used yet")
}
