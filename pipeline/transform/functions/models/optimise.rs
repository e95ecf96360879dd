//! Maximises a smooth function of a few parameters by Newton's method with exact derivatives; nothing is random.

/// Iterations before the search gives up.
const MAX_ITERATIONS: usize = 200;
/// The largest change of a parameter in one step; parameters are logarithms, so a factor of about seven.
const MAX_STEP: f64 = 2.0;
/// The gain, in units of log-likelihood, that a further Newton step must promise to be worth the search.
const WORTHWHILE_GAIN: f64 = 1e-10;
/// Damping of the Hessian, relative to its largest diagonal entry, when Newton's step fails, and when all hope is lost.
const FIRST_DAMPING: f64 = 1e-4;
const LARGEST_DAMPING: f64 = 1e16;

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
        let newton = step(&current, 0.0);
        is_converged = newton.as_ref().is_some_and(|newton| gain(newton, &current) <= WORTHWHILE_GAIN);
        if damping == 0.0 && newton.is_none() {
            damping = FIRST_DAMPING;
        }
        let move_ = if is_converged || damping == 0.0 { newton } else { damped_step(&current, &mut damping) };
        let Some(move_) = move_ else { break };
        let longest = move_.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
        let scale = if longest > MAX_STEP { MAX_STEP / longest } else { 1.0 };
        let candidate: Vec<f64> = point.iter().zip(&move_).map(|(at, part)| at + scale * part).collect();
        let reached = evaluate(&candidate);
        // The last step, which only polishes, may lose what rounding takes.
        let noise = if is_converged { 8.0 * f64::EPSILON * current.value.abs() } else { 0.0 };
        if reached.is_finite() && reached.value >= current.value - noise {
            point = candidate;
            current = reached;
            damping = if damping < 1e-8 { 0.0 } else { damping * 0.1 };
        } else {
            damping = (damping * 10.0).max(FIRST_DAMPING);
        }
        if is_converged || damping > LARGEST_DAMPING {
            break;
        }
    }
    Maximum { point, evaluation: current, is_converged }
}

/// What a step promises to first and second order, with the Hessian that it was computed from.
fn gain(step: &[f64], at: &Evaluation) -> f64 {
    0.5 * step.iter().zip(&at.gradient).map(|(part, slope)| part * slope).sum::<f64>()
}

/// Solves `(-H + damping * largest diagonal entry) step = gradient`, if the matrix is positive definite.
fn step(at: &Evaluation, damping: f64) -> Option<Vec<f64>> {
    let size = at.gradient.len();
    let scale = (0..size).map(|row| at.hessian[row * size + row].abs()).fold(f64::MIN_POSITIVE, f64::max);
    let mut information: Vec<f64> = at.hessian.iter().map(|second| -second).collect();
    for row in 0..size {
        information[row * size + row] += damping * scale;
    }
    Some(Cholesky::new(&information, size)?.solve(&at.gradient))
}

/// Raises the damping until there is a step.
fn damped_step(at: &Evaluation, damping: &mut f64) -> Option<Vec<f64>> {
    while *damping <= LARGEST_DAMPING {
        if let Some(step) = step(at, *damping) {
            return Some(step);
        }
        *damping *= 10.0;
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
