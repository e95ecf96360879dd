//! Takes the span of whoever asks a query into the tasks that the engine spawns for it, so that what is logged in them has
//! the run's fields.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::{Instrument, Span};

struct CurrentSpan;

static CURRENT_SPAN: CurrentSpan = CurrentSpan;

impl JoinSetTracer for CurrentSpan {
    fn trace_future(&self, future: BoxFuture<'static, Box<dyn Any + Send>>) -> BoxFuture<'static, Box<dyn Any + Send>> {
        let span = Span::current();
        if span.is_disabled() { future } else { future.instrument(span).boxed() }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        let span = Span::current();
        if span.is_disabled() { work } else { Box::new(move || span.in_scope(work)) }
    }
}

/// Lets the engine's tasks have the spans of those who wait for them. Once for a process.
pub fn keep_spans() {
    // Fails only where it was done before.
    let _ = set_join_set_tracer(&CURRENT_SPAN);
}
