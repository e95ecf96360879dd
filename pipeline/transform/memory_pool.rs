//! The memory pool of a run: generous while there is much, fair to those who can spill when there is not, and with some
//! kept back for those who cannot.

use std::fmt;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// The share of the pool that spilling operators leave to others.
///
/// A fair pool grants them all that is free when they ask. When each sort of a join has taken its share, none of them
/// has the few megabytes left that it needs to merge what it spilled, and the query fails though it could go on.
const KEPT_BACK: usize = 4;

/// The share of the pool up to which nobody has to be fair, and the part of it that one operator may have then.
///
/// A fair share is that of all operators of all plans at work, most of which hold nothing: sorts would spill with most of
/// the pool unused.
const ROOMY: usize = 2;
const ROOMY_OPERATOR: usize = 4;

/// A fair pool in which operators that can spill do so a little early, and not at all while there is room.
#[derive(Debug)]
pub(super) struct HeadroomPool {
    fair: FairSpillPool,
    bytes: usize,
    /// Bytes up to which spilling operators may fill the pool.
    spillable_limit: usize,
}

impl HeadroomPool {
    pub fn new(bytes: usize) -> Self {
        Self { fair: FairSpillPool::new(bytes), bytes, spillable_limit: bytes - bytes / KEPT_BACK }
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
        let reserved = self.fair.reserved() + additional;
        if reservation.consumer().can_spill()
            && reserved <= self.bytes / ROOMY
            && reservation.size() + additional <= self.bytes / ROOMY_OPERATOR
        {
            self.fair.grow(reservation, additional);
            return Ok(());
        }
        // The first bytes of a reservation are granted: an operator that holds nothing has nothing to spill.
        if reservation.consumer().can_spill() && reservation.size() > 0 && reserved > self.spillable_limit {
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
