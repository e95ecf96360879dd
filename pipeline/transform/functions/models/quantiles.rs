//! Cut points that divide values into classes of about equal size.

/// Why there are no cut points.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoCuts {
    #[error("a value is not a number")]
    NotANumber,
    #[error("the number of parts is {0}, expected a whole number from 1 to 1000000")]
    Parts(f64),
}

const MOST_PARTS: f64 = 1e6;

/// Returns the `parts - 1` cut points of values that came so many times each, in any order: none without a value.
///
/// The k-th of n sorted values is at (k - 1)/(n - 1), and between two values it is linear: definition 7 of Hyndman and Fan,
/// "Sample quantiles in statistical packages", The American Statistician 50 (1996).
pub fn cuts(values: impl IntoIterator<Item = (f64, u64)>, parts: f64) -> Result<Vec<f64>, NoCuts> {
    if parts.fract() != 0.0 || !(1.0..=MOST_PARTS).contains(&parts) {
        return Err(NoCuts::Parts(parts));
    }
    let mut sorted: Vec<(f64, u64)> = values.into_iter().collect();
    if sorted.iter().any(|(value, _)| value.is_nan()) {
        return Err(NoCuts::NotANumber);
    }
    sorted.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let total: u64 = sorted.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return Ok(Vec::new());
    }
    let parts = parts as u64;
    let mut values = sorted.into_iter();
    // The value in hand, and how many values are there up to it.
    let mut at = values.next().unwrap_or_default();
    let mut ahead = values.next();
    let mut cuts = Vec::with_capacity(parts as usize - 1);
    for cut in 1..parts {
        // In whole numbers, so that a cut that falls on a value is that value.
        let scaled = u128::from(cut) * u128::from(total - 1);
        let (place, rest) = ((scaled / u128::from(parts)) as u64, (scaled % u128::from(parts)) as u64);
        while let Some((value, count)) = ahead
            && at.1 <= place
        {
            at = (value, at.1 + count);
            ahead = values.next();
        }
        let next = match ahead {
            Some((value, _)) if at.1 <= place + 1 => value,
            _ => at.0,
        };
        cuts.push(between(at.0, next, rest as f64 / parts as f64));
    }
    Ok(cuts)
}

/// Never outside of the two, nor infinite between finite ones.
fn between(low: f64, high: f64, share: f64) -> f64 {
    if share == 0.0 || low == high {
        return low;
    }
    (low * (1.0 - share) + high * share).clamp(low, high)
}

/// Returns the class of a value, from 1: a value above a cut point belongs to the next class, so equal values stay together.
pub fn class(value: f64, cuts: impl IntoIterator<Item = f64>) -> u64 {
    1 + cuts.into_iter().filter(|cut| value > *cut).count() as u64
}
