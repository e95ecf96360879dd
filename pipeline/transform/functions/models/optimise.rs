//! Maximises a smooth function of a few parameters by Newton's method with exact derivatives; nothing is random.

/// Iterations before the search gives up.
const MAX_ITERATIONS: usize = 200;
/// The largest change of a parameter in one step; parameters are logarithms, so a factor of about seven.
const MAX_STEP: f64 = 2.0;
/// The gain, in units of log-likelihood, that a further Newton step must promise to be worth the search.
const WORTHWHILE_GAIN: f64 = 1e-10;

/// A function's value, gradient and Hessian matrix (row by row) at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    pub value: f64,
    pub gradient: Vec<f64>,
    pub hessian: Vec<f64>,
}

impl Evaluation {
    /// Says whether every number of it is finite.
    pub fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().chain(&self.hessian).all(|number| number.is_finite())
    }
}

/// Where a search ended.
#[derive(Debug, Clone)]
pub struct Maximum {
    pub point: Vec<f64>,
    pub evaluation: Evaluation,
    /// The gradient is zero and the function curves down in every direction.
    pub is_converged: bool,
}

impl Maximum {
    /// Returns the inverse of the observed information, row by row, if it has one.
    pub fn covariance(&self) -> Option<Vec<f64>> {
        let size = self.point.len();
        let information: Vec<f64> = self.evaluation.hessian.iter().map(|second| -second).collect();
        let factor = Cholesky::new(&information, size)?;
        let mut covariance = vec![0.0; size * size];
        for column in 0..size {
            let unit: Vec<f64> = (0..size).map(|row| if row == column { 1.0 } else { 0.0 }).collect();
            for (row, entry) in factor.solve(&unit).into_iter().enumerate() {
                covariance[row * size + column] = entry;
            }
        }
        Some(covariance)
    }

    /// Returns the standard error of each parameter, if the information is positive definite.
    pub fn standard_errors(&self) -> Option<Vec<f64>> {
        let size = self.point.len();
        self.covariance().map(|matrix| (0..size).map(|row| matrix[row * size + row].sqrt()).collect())
    }
}

/// Climbs from `start` to a local maximum.
///
/// Each step solves the Newton equations with a damped Hessian (Levenberg and Marquardt), is cut to `MAX_STEP`, and is
/// taken only if the value grows. The search stops early, not converged, once a parameter is further than `reach` from
/// `centre`: it runs to a limit that the caller knows how to handle.
pub fn maximise(evaluate: &dyn Fn(&[f64]) -> Evaluation, start: &[f64], centre: &[f64], reach: f64) -> Maximum {
    let mut point = start.to_vec();
    let mut current = evaluate(&point);
    let mut damping = 0.0;
    let mut is_converged = false;
    for _ in 0..MAX_ITERATIONS {
        if !current.is_finite() || point.iter().zip(centre).any(|(at, middle)| (at - middle).abs() > reach) {
            break;
        }
        let Some(step) = damped_step(&current, &mut damping) else { break };
        let gain: f64 = 0.5 * step.iter().zip(&current.gradient).map(|(move_, slope)| move_ * slope).sum::<f64>();
        let is_last = gain <= WORTHWHILE_GAIN && damping == 0.0;
        let longest = step.iter().fold(0.0_f64, |longest, move_| longest.max(move_.abs()));
        let scale = if longest > MAX_STEP { MAX_STEP / longest } else { 1.0 };
        let candidate: Vec<f64> = point.iter().zip(&step).map(|(at, move_)| at + scale * move_).collect();
        let reached = evaluate(&candidate);
        let noise = 8.0 * f64::EPSILON * current.value.abs();
        if reached.is_finite() && reached.value >= current.value - if is_last { noise } else { 0.0 } {
            point = candidate;
            current = reached;
            damping = if damping < 1e-8 { 0.0 } else { damping * 0.1 };
        } else if !is_last {
            damping = (damping * 10.0).max(1e-4);
            // No step, however short, leads up: the noise of the value has been reached.
            if damping > 1e16 {
                is_converged = gain <= 1e-6;
                break;
            }
        }
        if is_last {
            is_converged = true;
            break;
        }
    }
    Maximum { point, evaluation: current, is_converged }
}

/// Solves `(-H + damping * scale) step = gradient`, raising the damping until the matrix is positive definite.
///
/// `damping` is relative to the largest diagonal entry of the Hessian.
fn damped_step(at: &Evaluation, damping: &mut f64) -> Option<Vec<f64>> {
    let size = at.gradient.len();
    let scale = (0..size).map(|row| at.hessian[row * size + row].abs()).fold(f64::MIN_POSITIVE, f64::max);
    for _ in 0..60 {
        let mut information: Vec<f64> = at.hessian.iter().map(|second| -second).collect();
        for row in 0..size {
            information[row * size + row] += *damping * scale;
        }
        if let Some(factor) = Cholesky::new(&information, size) {
            return Some(factor.solve(&at.gradient));
        }
        *damping = (*damping * 10.0).max(1e-4);
    }
    None
}

/// The lower triangle `L` of a positive definite matrix `L L'`.
struct Cholesky {
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Factors the matrix, given row by row; `None` if it is not positive definite beyond rounding.
    fn new(matrix: &[f64], size: usize) -> Option<Self> {
        let mut lower = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| lower[row * size + k] * lower[column * size + k]).sum();
                let rest = matrix[row * size + column] - known;
                lower[row * size + column] = if row != column {
                    rest / lower[column * size + column]
                } else if rest > 1e-14 * matrix[row * size + row].abs() && rest > 0.0 {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(Self { lower, size })
    }

    fn solve(&self, right: &[f64]) -> Vec<f64> {
        let (lower, size) = (&self.lower, self.size);
        let mut solution = right.to_vec();
        for row in 0..size {
            let known: f64 = (0..row).map(|k| lower[row * size + k] * solution[k]).sum();
            solution[row] = (solution[row] - known) / lower[row * size + row];
        }
        for row in (0..size).rev() {
            let known: f64 = (row + 1..size).map(|k| lower[k * size + row] * solution[k]).sum();
            solution[row] = (solution[row] - known) / lower[row * size + row];
        }
        solution
    }
}
