//! How well scores put positives before others.

/// The area under the receiver operating characteristic: the probability that a positive has a higher score than another,
/// where equal scores count a half (Hanley, McNeil: "The Meaning and Use of the Area under a ROC Curve", Radiology 143, 1982;
/// with midranks, the Mann-Whitney statistic).
///
/// Counted in whole numbers, so that the order of the rows does not matter; `None` without both kinds. Sorts the rows.
pub fn auc(rows: &mut [(f64, bool)]) -> Option<f64> {
    rows.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    // Twice the pairs that are in order, equal scores once.
    let mut in_order: u128 = 0;
    let (mut positives, mut others): (u128, u128) = (0, 0);
    for tied in rows.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let tied_positives = tied.iter().filter(|(_, is_positive)| *is_positive).count() as u128;
        let tied_others = tied.len() as u128 - tied_positives;
        in_order += tied_positives * (2 * others + tied_others);
        positives += tied_positives;
        others += tied_others;
    }
    (positives > 0 && others > 0).then(|| in_order as f64 / (2 * positives * others) as f64)
}
