//! The MBG/NBD model of repeat purchases (Batislam, Denizel, Filiztekin: Empirical validation and comparison of models for
//! customer base analysis, International Journal of Research in Marketing 24, 2007): BG/NBD in which customers may drop out
//! after their first purchase too, as they may after any other.
//!
//! So the number of chances to drop out is `x + 1` instead of `x`, which is all that differs from [`bgnbd`](super::bgnbd);
//! the limits are written as there, with the first purchase for the first repeat purchase.

use super::bgnbd::{BetaGeometric, BetaGeometricLikelihood};

/// An MBG/NBD model.
pub type Parameters = BetaGeometric<1>;
/// Its likelihood.
pub type Likelihood = BetaGeometricLikelihood<1>;
