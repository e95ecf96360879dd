//! k-means: groups of similar points, by Lloyd's algorithm from k-means++ starts.
//!
//! Sources: S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (1982); D. Arthur and
//! S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007 (with several candidates per draw, as their
//! section 7 says); for large sets the bounds of G. Hamerly, "Making k-means even faster", SDM 2010, which skip distances
//! that cannot matter and change no result.
//!
//! Features are standardised first: (x - mean) / population standard deviation, 0 where all are equal. Points are sorted by
//! their numbers and equal ones are counted before anything is summed or drawn, so the result depends on nothing but the
//! set of points. Of 10 to 100 starts (the fewer points, the more) the best counts; above `SAMPLE` distinct points they
//! compete on a random sample of that size, and only the winner goes on with all points.
//!
//! Clusters are in descending order of their centres' first feature (then the second, and so on). A point belongs to the
//! nearest centre, of equally near ones to the first.

use super::random::Random;

/// The largest number of clusters.
pub const MAX_CLUSTERS: usize = 1000;
/// Numbers beyond this (in either direction) would overflow when squared and summed.
pub const LARGEST_NUMBER: f64 = 1e140;
/// Distinct points over which starts compete, at most.
const SAMPLE: usize = 20_000;
/// Starts that compete: many where they cost little.
const FEWEST_STARTS: usize = 10;
const MOST_STARTS: usize = 100;
/// Rounds of Lloyd's algorithm before it gives up.
const MAX_ITERATIONS: usize = 1000;
/// Bounds skip a distance only if they say so with this relative margin, which covers their rounding errors.
const MARGIN: f64 = 1.0 - 1e-9;
const SEED: u64 = 2007;

/// Moves and stretches each feature so that its mean is 0 and its standard deviation 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    pub means: Vec<f64>,
    /// Population standard deviations; 0: all values are equal.
    pub deviations: Vec<f64>,
}

/// Groups of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    pub scale: Scale,
    /// Standardised, one after another.
    pub centres: Vec<f64>,
    /// Points per cluster; none is empty.
    pub sizes: Vec<u64>,
    /// Sums of squared standardised distances to the own centre.
    pub within_sums: Vec<f64>,
    /// The sum of squared standardised distances to the mean of all.
    pub total_sum: f64,
    /// Rounds of the best start and, after it, of the last search.
    pub iterations: u64,
    /// Nothing changed in the last round.
    pub is_converged: bool,
}

/// Returns the standardised value of one feature.
pub fn standardise(value: f64, mean: f64, deviation: f64) -> f64 {
    if deviation > 0.0 { (value - mean) / deviation } else { 0.0 }
}

/// Returns the place of the nearest centre, of equally near ones the first, and its squared distance.
pub fn nearest(point: &[f64], centres: &[f64]) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for (place, centre) in centres.chunks_exact(point.len().max(1)).enumerate() {
        let distance = squared_distance(point, centre);
        if best.is_none_or(|(_, least)| distance < least) {
            best = Some((place, distance));
        }
    }
    best
}

/// Finds at most `k` clusters of the points in `values`, which lie one after another with `dimensions` numbers each.
///
/// Fewer than `k` distinct points are as many clusters; no points are no clustering. Numbers must be within
/// `LARGEST_NUMBER`.
pub fn cluster(values: &[f64], dimensions: usize, k: usize) -> Option<Clustering> {
    let raw = Points::distinct(values, None, dimensions);
    let scale = raw.scale();
    let mut standardised = raw.values;
    for point in standardised.chunks_exact_mut(dimensions.max(1)) {
        for ((value, mean), deviation) in point.iter_mut().zip(&scale.means).zip(&scale.deviations) {
            // Adding 0 turns -0 into 0.
            *value = standardise(*value, *mean, *deviation) + 0.0;
        }
    }
    // Rounding can make points equal that were not.
    let points = Points::distinct(&standardised, Some(&raw.weights), dimensions);
    drop(standardised);
    let count = k.min(points.len());
    if count == 0 {
        return None;
    }
    let mut random = Random::new(SEED);
    let sample = points.sample(SAMPLE, &mut random);
    let competing = sample.as_ref().unwrap_or(&points);
    let mut best: Option<(f64, Vec<f64>, u64)> = None;
    let starts = (FEWEST_STARTS * SAMPLE / competing.len()).clamp(FEWEST_STARTS, MOST_STARTS);
    for _ in 0..starts {
        let mut search = Search::new(competing, starting_centres(competing, count, &mut random), 0);
        search.run();
        let inertia = search.inertia();
        if best.as_ref().is_none_or(|(least, ..)| inertia < *least) {
            best = Some((inertia, search.centres, search.iterations));
        }
    }
    let (_, centres, iterations) = best?;
    // The numbering decides ties, so the last search is made in it. It rarely changes a thing if the points were all there.
    let mut search = Search::new(&points, in_order(centres, dimensions), iterations);
    let mut is_converged = search.run();
    if !is_in_order(&search.centres, dimensions) {
        search = Search::new(&points, in_order(search.centres, dimensions), search.iterations);
        is_converged = search.run();
    }
    Some(summary(&points, scale, search, is_converged))
}

fn summary(points: &Points, scale: Scale, search: Search<'_>, is_converged: bool) -> Clustering {
    let dimensions = points.dimensions;
    let iterations = search.iterations;
    let mut centres = in_order(search.centres, dimensions);
    let assign = |centres: &[f64]| {
        let count = centres.len() / dimensions;
        let (mut sizes, mut sums) = (vec![0_u64; count], vec![0.0; count]);
        for (point, weight) in points.iter() {
            if let Some((place, distance)) = nearest(point, centres) {
                sizes[place] += weight;
                sums[place] += weight as f64 * distance;
            }
        }
        (sizes, sums)
    };
    let (mut sizes, mut within_sums) = assign(&centres);
    if sizes.contains(&0) {
        // Only where ties and a search that gave up come together.
        let filled = sizes.iter().zip(centres.chunks_exact(dimensions)).filter(|(size, _)| **size > 0);
        centres = filled.flat_map(|(_, centre)| centre.to_vec()).collect();
        (sizes, within_sums) = assign(&centres);
    }
    let origin = points.mean();
    let total_sum = points.iter().map(|(point, weight)| weight as f64 * squared_distance(point, &origin)).sum();
    Clustering { scale, centres, sizes, within_sums, total_sum, iterations, is_converged }
}

fn squared_distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn compare(one: &[f64], other: &[f64]) -> std::cmp::Ordering {
    let unequal = one.iter().zip(other).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
    unequal.unwrap_or(std::cmp::Ordering::Equal)
}

fn in_order(centres: Vec<f64>, dimensions: usize) -> Vec<f64> {
    let mut rows: Vec<&[f64]> = centres.chunks_exact(dimensions).collect();
    rows.sort_by(|one, other| compare(other, one));
    rows.concat()
}

fn is_in_order(centres: &[f64], dimensions: usize) -> bool {
    let rows: Vec<&[f64]> = centres.chunks_exact(dimensions).collect();
    rows.is_sorted_by(|one, other| compare(one, other).is_ge())
}

/// Distinct points in ascending order, with how often each came.
#[derive(Debug, Default)]
struct Points {
    values: Vec<f64>,
    weights: Vec<u64>,
    dimensions: usize,
}

impl Points {
    fn distinct(values: &[f64], weights: Option<&[u64]>, dimensions: usize) -> Self {
        if dimensions == 0 {
            return Self::default();
        }
        let rows: Vec<&[f64]> = values.chunks_exact(dimensions).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by(|one, other| compare(rows[*one], rows[*other]));
        let mut points = Self { values: Vec::with_capacity(values.len()), weights: Vec::new(), dimensions };
        let mut last: Option<&[f64]> = None;
        for row in order {
            let weight = weights.map_or(1, |weights| weights[row]);
            match points.weights.last_mut() {
                Some(count) if last.is_some_and(|last| compare(last, rows[row]).is_eq()) => *count += weight,
                _ => {
                    points.values.extend_from_slice(rows[row]);
                    points.weights.push(weight);
                    last = Some(rows[row]);
                }
            }
        }
        points
    }

    fn len(&self) -> usize {
        self.weights.len()
    }

    fn iter(&self) -> impl Iterator<Item = (&[f64], u64)> {
        self.values.chunks_exact(self.dimensions.max(1)).zip(self.weights.iter().copied())
    }

    fn point(&self, place: usize) -> &[f64] {
        &self.values[place * self.dimensions..(place + 1) * self.dimensions]
    }

    fn mean(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.dimensions];
        let mut count = 0.0;
        for (point, weight) in self.iter() {
            count += weight as f64;
            sums.iter_mut().zip(point).for_each(|(sum, value)| *sum += weight as f64 * value);
        }
        sums.iter().map(|sum| sum / count).collect()
    }

    fn scale(&self) -> Scale {
        // From the first point on: equal values then have a deviation of exactly 0, and large ones lose no digits.
        let first: Vec<f64> = self.iter().next().map(|(point, _)| point.to_vec()).unwrap_or_default();
        let count: f64 = self.weights.iter().map(|weight| *weight as f64).sum();
        let mut shifts = vec![0.0; self.dimensions];
        for (point, weight) in self.iter() {
            for ((shift, value), from) in shifts.iter_mut().zip(point).zip(&first) {
                *shift += weight as f64 * (value - from) / count;
            }
        }
        let mut variances = vec![0.0; self.dimensions];
        for (point, weight) in self.iter() {
            for (place, variance) in variances.iter_mut().enumerate() {
                let distance = (point[place] - first[place]) - shifts[place];
                *variance += weight as f64 * distance * distance / count;
            }
        }
        let means = first.iter().zip(&shifts).map(|(from, shift)| from + shift).collect();
        Scale { means, deviations: variances.iter().map(|variance| variance.sqrt()).collect() }
    }

    /// Draws `count` points without replacement; `None` if there are no more than that.
    fn sample(&self, count: usize, random: &mut Random) -> Option<Self> {
        if self.len() <= count {
            return None;
        }
        let mut sample = Self { dimensions: self.dimensions, ..Self::default() };
        let mut missing = count;
        for (place, (point, weight)) in self.iter().enumerate() {
            let left = self.len() - place;
            // Each point left has the same chance, so that exactly `count` are taken.
            if random.below_one() * (left as f64) < missing as f64 {
                sample.values.extend_from_slice(point);
                sample.weights.push(weight);
                missing -= 1;
            }
        }
        Some(sample)
    }
}

/// Draws distinct points as centres, each with a probability in proportion to its squared distance to those before; of
/// a few candidates the one that leaves the least.
fn starting_centres(points: &Points, count: usize, random: &mut Random) -> Vec<f64> {
    let candidates = 2 + count.ilog2() as usize;
    let mut centres = Vec::with_capacity(count * points.dimensions);
    let weights: Vec<f64> = points.weights.iter().map(|weight| *weight as f64).collect();
    let Some(first) = draw(&weights, random) else { return centres };
    centres.extend_from_slice(points.point(first));
    let mut potentials: Vec<f64> =
        points.iter().map(|(point, weight)| weight as f64 * squared_distance(point, &centres)).collect();
    for _ in 1..count {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..candidates {
            let Some(place) = draw(&potentials, random) else { break };
            let candidate = points.point(place);
            let lower = |((point, weight), potential): ((&[f64], u64), &f64)| {
                potential.min(weight as f64 * squared_distance(point, candidate))
            };
            let left: Vec<f64> = points.iter().zip(&potentials).map(lower).collect();
            let sum = left.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, place, left));
            }
        }
        let Some((_, place, left)) = best else { break };
        centres.extend_from_slice(points.point(place));
        potentials = left;
    }
    centres
}

/// Draws a place in proportion to the weights; `None` if all are 0.
fn draw(weights: &[f64], random: &mut Random) -> Option<usize> {
    let sum: f64 = weights.iter().sum();
    let mut left = random.below_one() * sum;
    let mut last = None;
    for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = Some(place);
        if left < *weight {
            break;
        }
        left -= weight;
    }
    last
}

/// Lloyd's algorithm under way.
struct Search<'a> {
    points: &'a Points,
    centres: Vec<f64>,
    /// The cluster of each point, and bounds on the distances to its centre and to the nearest other one.
    assigned: Vec<u32>,
    at_most: Vec<f64>,
    others_at_least: Vec<f64>,
    iterations: u64,
}

impl<'a> Search<'a> {
    fn new(points: &'a Points, centres: Vec<f64>, iterations: u64) -> Self {
        let count = points.len();
        // Bounds that say nothing: the first round measures all distances.
        let (at_most, others_at_least) = (vec![f64::INFINITY; count], vec![0.0; count]);
        Self { points, centres, assigned: vec![u32::MAX; count], at_most, others_at_least, iterations }
    }

    /// Assigns points to centres and moves centres to the means of their points until nothing changes.
    fn run(&mut self) -> bool {
        for _ in 0..MAX_ITERATIONS {
            self.iterations += 1;
            let has_changed = self.assign() | self.fill_empty();
            if !has_changed {
                return true;
            }
            self.move_centres();
        }
        false
    }

    fn inertia(&self) -> f64 {
        let distances = self
            .points
            .iter()
            .map(|(point, weight)| nearest(point, &self.centres).map_or(0.0, |(_, distance)| weight as f64 * distance));
        distances.sum()
    }

    fn assign(&mut self) -> bool {
        let dimensions = self.points.dimensions;
        let halves = half_gaps(&self.centres, dimensions);
        let mut has_changed = false;
        let bounds = self.at_most.iter_mut().zip(self.others_at_least.iter_mut());
        for (((point, _), own), (at_most, others)) in self.points.iter().zip(&mut self.assigned).zip(bounds) {
            let gap = halves.get(*own as usize).copied().unwrap_or(0.0);
            if *at_most < others.max(gap) * MARGIN {
                continue;
            }
            let (place, least, second) = two_nearest(point, &self.centres, dimensions);
            (*at_most, *others) = (least.sqrt(), second.sqrt());
            has_changed |= *own != place;
            *own = place;
        }
        has_changed
    }

    /// Gives each cluster without points the point that is furthest from its own centre.
    fn fill_empty(&mut self) -> bool {
        let count = self.centres.len() / self.points.dimensions;
        let mut members = vec![0_usize; count];
        self.assigned.iter().for_each(|own| members[*own as usize] += 1);
        let empty: Vec<usize> = (0..count).filter(|place| members[*place] == 0).collect();
        if empty.is_empty() {
            return false;
        }
        let mut distances: Vec<(f64, usize)> = (self.points.iter().zip(&self.assigned).enumerate())
            .map(|(place, ((point, _), own))| (squared_distance(point, self.centre(*own as usize)), place))
            .collect();
        distances.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut furthest = distances.into_iter();
        for cluster in empty {
            let taken = furthest.by_ref().find(|(_, place)| members[self.assigned[*place] as usize] > 1);
            let Some((_, place)) = taken else { break };
            members[self.assigned[place] as usize] -= 1;
            members[cluster] = 1;
            self.assigned[place] = cluster as u32;
            (self.at_most[place], self.others_at_least[place]) = (f64::INFINITY, 0.0);
        }
        true
    }

    fn centre(&self, place: usize) -> &[f64] {
        &self.centres[place * self.points.dimensions..(place + 1) * self.points.dimensions]
    }

    fn move_centres(&mut self) {
        let dimensions = self.points.dimensions;
        let count = self.centres.len() / dimensions;
        let (mut sums, mut weights) = (vec![0.0; self.centres.len()], vec![0.0; count]);
        for ((point, weight), own) in self.points.iter().zip(&self.assigned) {
            let own = *own as usize;
            weights[own] += weight as f64;
            let sum = &mut sums[own * dimensions..(own + 1) * dimensions];
            sum.iter_mut().zip(point).for_each(|(sum, value)| *sum += weight as f64 * value);
        }
        for (sum, weight) in sums.chunks_exact_mut(dimensions).zip(&weights) {
            sum.iter_mut().for_each(|sum| *sum /= weight);
        }
        let moves = sums.chunks_exact(dimensions).zip(self.centres.chunks_exact(dimensions));
        let moves: Vec<f64> = moves.map(|(new, old)| squared_distance(new, old).sqrt()).collect();
        let greatest = moves.iter().copied().fold(0.0, f64::max);
        for ((own, at_most), others) in self.assigned.iter().zip(&mut self.at_most).zip(&mut self.others_at_least) {
            *at_most += moves[*own as usize];
            *others -= greatest;
        }
        self.centres = sums;
    }
}

/// Returns half of the distance from each centre to the nearest other one: no other is nearer to a point within.
fn half_gaps(centres: &[f64], dimensions: usize) -> Vec<f64> {
    let nearest_other = |(place, centre): (usize, &[f64])| {
        let others = centres.chunks_exact(dimensions).enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, other)| squared_distance(centre, other)).fold(f64::INFINITY, f64::min).sqrt() / 2.0
    };
    centres.chunks_exact(dimensions).enumerate().map(nearest_other).collect()
}

/// Returns the nearest centre, its squared distance, and that of the next one.
fn two_nearest(point: &[f64], centres: &[f64], dimensions: usize) -> (u32, f64, f64) {
    let (mut place, mut least, mut second) = (0, f64::INFINITY, f64::INFINITY);
    for (candidate, centre) in centres.chunks_exact(dimensions).enumerate() {
        let distance = squared_distance(point, centre);
        if distance < least {
            (place, second, least) = (candidate as u32, least, distance);
        } else if distance < second {
            second = distance;
        }
    }
    (place, least, second)
}
