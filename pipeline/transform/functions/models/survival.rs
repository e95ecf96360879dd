//! How long it takes until something happens, when for some it has not happened yet.

use std::collections::BTreeMap;

/// A time, and what happened until then to those who were still waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub time: f64,
    /// Those to whom it had neither happened before this time nor who were lost from sight before it.
    pub at_risk: u64,
    /// To how many it happened at this time.
    pub events: u64,
    /// How many were last seen waiting at this time.
    pub censored: u64,
    /// The probability that it happens after this time.
    pub survival: f64,
}

/// A time that nobody can have waited.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a duration of {0} is negative or not finite")]
pub struct ImpossibleDuration(pub f64);

/// Returns the product-limit estimate, one step per distinct time, in order of time: Kaplan and Meier, "Nonparametric
/// estimation from incomplete observations", Journal of the American Statistical Association 53 (1958).
///
/// Observations are a duration, whether it ended with the event, and how many of them there are. Who is lost from sight at a
/// time was still there when others had the event at that time: events come before censorings.
pub fn kaplan_meier(observations: impl IntoIterator<Item = (f64, bool, u64)>) -> Result<Vec<Step>, ImpossibleDuration> {
    // Durations are not negative, so their bits are in the order of their values.
    let mut counts: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut at_risk = 0;
    for (duration, is_event, count) in observations {
        if duration.is_nan() || duration < 0.0 || duration.is_infinite() {
            return Err(ImpossibleDuration(duration));
        }
        let (events, censored) = counts.entry((duration + 0.0).to_bits()).or_default();
        *(if is_event { events } else { censored }) += count;
        at_risk += count;
    }
    let mut survival = 1.0;
    let mut steps = Vec::with_capacity(counts.len());
    for (bits, (events, censored)) in counts {
        survival *= (at_risk - events) as f64 / at_risk as f64;
        steps.push(Step { time: f64::from_bits(bits), at_risk, events, censored, survival });
        at_risk -= events + censored;
    }
    Ok(steps)
}
