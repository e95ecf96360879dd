//! Seeded randomness that depends on what is drawn, not on when.

use std::convert::Infallible;

use rand::rand_core::TryRng;
use rand_distr::{Beta, Distribution, Exp, Gamma};

/// What a stream of random numbers is for; streams never share numbers.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Stream {
    Traits = 1,
    Profile,
    Deed,
    Campaign,
    Newsletter,
    Strangers,
    Late,
    Broken,
}

/// A SplitMix64 generator, keyed by the seed and by what it is for.
///
/// Every customer and day has numbers of its own, so adding a day or a customer changes nothing that was drawn before.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Dice {
    pub(super) fn new(seed: u64, stream: Stream, first: u64, second: u64) -> Self {
        let mut state = mix(seed.wrapping_add(GOLDEN));
        for part in [stream as u64, first, second] {
            state = mix(state.wrapping_add(GOLDEN).wrapping_add(part.wrapping_mul(0xD1B5_4A32_D192_ED03)));
        }
        Self(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in [0, 1).
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A number in [0, `bound`); 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u32
    }

    /// A number in [`low`, `high`].
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// One of `items`, which is never empty: every list here is a constant.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// The index of one of `weights`, in proportion to them.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.share() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Shape and scale are positive constants here; the mean stands in where they are not.
    pub(super) fn gamma(&mut self, shape: f64, scale: f64) -> f64 {
        Gamma::new(shape, scale).map_or(shape * scale, |gamma| gamma.sample(self))
    }

    pub(super) fn beta(&mut self, alpha: f64, beta: f64) -> f64 {
        Beta::new(alpha, beta).map_or(alpha / (alpha + beta), |distribution| distribution.sample(self))
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        Exp::new(1.0 / mean).map_or(mean, |distribution| distribution.sample(self))
    }

    /// A count with this mean: its whole part, and one more with the chance of the rest.
    pub(super) fn count(&mut self, mean: f64) -> u32 {
        let whole = mean.floor();
        whole as u32 + u32::from(self.chance(mean - whole))
    }
}

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for chunk in destination.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
