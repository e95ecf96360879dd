//! The memory pool of a run: fair to those who can spill, with some kept back for those who cannot.

use std::fmt;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// The share of the pool that spilling operators leave to others.
///
/// A fair pool grants them all that is free when they ask. When each sort of a join has taken its share, none of them
/// has the few megabytes left that it needs to merge what it spilled, and the query fails though it could go on.
const KEPT_BACK: usize = 4;

/// A fair pool in which operators that can spill do so a little early.
#[derive(Debug)]
pub(super) struct HeadroomPool {
    fair: FairSpillPool,
    /// Bytes up to which spilling operators may fill the pool.
    spillable_limit: usize,
}

impl HeadroomPool {
    pub fn new(bytes: usize) -> Self {
        Self { fair: FairSpillPool::new(bytes), spillable_limit: bytes - bytes / KEPT_BACK }
    }
}

impl fmt::Display for HeadroomPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fair.fmt(formatter)
    }
}

impl MemoryPool for HeadroomPool {
    fn name(&self) -> &str {
        self.fair.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        // The first bytes of a reservation are granted: an operator that holds nothing has nothing to spill.
        if reservation.consumer().can_spill()
            && reservation.size() > 0
            && self.fair.reserved() + additional > self.spillable_limit
        {
            let name = reservation.consumer().name();
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{name} asks for {additional} bytes more; the rest of the pool is kept for those who cannot spill"
            )));
        }
        self.fair.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
    }
}
