//! MBG/NBD and Pareto/NBD from their definitions: a customer's likelihood is summed, or integrated, over the moments at
//! which the customer may have dropped out.
//!
//! MBG/NBD: Batislam, Denizel and Filiztekin (2007); Pareto/NBD: Schmittlein, Morrison and Colombo (1987). Times in weeks.

use super::compare::{Cell, Row};
use super::load::Run;
use super::models::{Inputs, ln_gamma};

/// Shapes, rates a week, and parameters of dropping out that a maximum on the boundary has to beat.
const SHAPES: [f64; 4] = [0.3, 1.0, 10.0, 1e4];
const RATES: [f64; 4] = [0.03, 0.1, 0.3, 1.0];
const DROP_OUTS: [[f64; 2]; 5] = [[1e-3, 1.0], [0.5, 2.0], [0.6, 12.0], [20.0, 400.0], [2.0, 0.5]];

/// The logarithm of the density of `x` purchases, averaged over gamma distributed rates.
fn log_density(r: f64, alpha: f64, x: f64, time: f64) -> f64 {
    ln_gamma(r + x) - ln_gamma(r) + r * alpha.ln() - (r + x) * (alpha + time).ln()
}

/// Alive after `x + 1` chances to drop out, or gone at the last of them.
fn mbgnbd([r, alpha, a, b]: [f64; 4], inputs: &Inputs) -> f64 {
    let x = inputs.frequency as f64;
    let log_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    let alive = log_density(r, alpha, x, inputs.age) + log_beta(a, b + x + 1.0) - log_beta(a, b);
    let gone = log_density(r, alpha, x, inputs.recency) + log_beta(a + 1.0, b + x) - log_beta(a, b);
    alive.max(gone) + (-(alive - gone).abs()).exp().ln_1p()
}

/// Alive at the end, or gone at some time since the last purchase: Simpson's rule over the logarithm of `alpha` + that time.
fn pareto_nbd([r, alpha, s, beta]: [f64; 4], inputs: &Inputs) -> f64 {
    const STEPS: i32 = 600;
    let x = inputs.frequency as f64;
    let (from, to) = ((alpha + inputs.recency).ln(), (alpha + inputs.age).ln());
    let width = (to - from) / f64::from(STEPS);
    let gone: f64 = (0..=STEPS)
        .map(|step| {
            let place = (from + width * f64::from(step)).exp();
            let time = place - alpha;
            let purchases = ((alpha + inputs.age) / place).powf(r + x);
            let ending = s / (beta + time) * ((beta + inputs.age) / (beta + time)).powf(s);
            let weight = if step == 0 || step == STEPS {
                1.0
            } else if step % 2 == 1 {
                4.0
            } else {
                2.0
            };
            weight * place * purchases * ending
        })
        .sum();
    log_density(r, alpha, x, inputs.age) + s * (beta / (beta + inputs.age)).ln() + (gone * width / 3.0).ln_1p()
}

/// A model besides BG/NBD, with what a run published of it.
pub struct OtherModel {
    name: &'static str,
    parameters: [&'static str; 4],
    of_one: fn([f64; 4], &Inputs) -> f64,
    /// The fitted parameters; `None` on the boundary.
    fitted: Option<[f64; 4]>,
    log_likelihood: f64,
    /// Distinct histories with their numbers of customers.
    histories: Vec<(Inputs, f64)>,
}

impl OtherModel {
    /// Both models as a run published them.
    pub fn all(run: &Run, inputs: impl Iterator<Item = Inputs>) -> [Self; 2] {
        let mut inputs: Vec<Inputs> = inputs.collect();
        let key = |inputs: &Inputs| (inputs.frequency, inputs.recency.to_bits(), inputs.age.to_bits());
        inputs.sort_by_key(key);
        let groups: Vec<&[Inputs]> = inputs.chunk_by(|one, other| key(one) == key(other)).collect();
        let read = |name: &'static str, parameters: [&'static str; 4], of_one| {
            let row = &run.models[name];
            let number =
                |column: &str| row[column].as_f64().unwrap_or_else(|| panic!("{}: {name} has no {column}", run.name));
            Self {
                name,
                parameters,
                of_one,
                fitted: (row["is_boundary"] == false).then(|| parameters.map(number)),
                log_likelihood: number("log_likelihood"),
                histories: groups.iter().map(|group| (Inputs { ..group[0] }, group.len() as f64)).collect(),
            }
        };
        [read("mbgnbd", ["r", "alpha", "a", "b"], mbgnbd), read("pareto_nbd", ["r", "alpha", "s", "beta"], pareto_nbd)]
    }

    fn log_likelihood(&self, parameters: [f64; 4]) -> f64 {
        self.histories.iter().map(|(inputs, customers)| customers * (self.of_one)(parameters, inputs)).sum()
    }

    /// The row of clv_model, from the fitted parameters and their errors, which are taken as they are.
    pub fn row(&self, columns: &[&'static str]) -> Row {
        let is_own = |name: &str| {
            let name = name.strip_suffix("_standard_error").unwrap_or(name);
            self.parameters.contains(&name)
        };
        let of = |name: &&'static str| (*name, if is_own(name) { Cell::Any } else { Cell::Null });
        let mut row: Row = columns.iter().map(of).collect();
        row.extend([
            ("model", self.name.into()),
            ("is_selected", false.into()),
            ("is_converged", true.into()),
            ("is_boundary", self.fitted.is_none().into()),
            ("customers", (self.histories.iter().map(|(_, customers)| *customers).sum::<f64>() as i64).into()),
            ("purchase_rate", Cell::Any),
            ("dropout_probability", Cell::Any),
            ("dropout_rate", Cell::Any),
            ("log_likelihood", Cell::Any),
        ]);
        if let Some(fitted) = self.fitted {
            let [r, alpha, first, second] = fitted;
            let (probability, rate) = match self.name {
                "mbgnbd" => (Cell::Modelled(first / (first + second)), Cell::Null),
                _ => (Cell::Null, Cell::Modelled(first / second)),
            };
            row.extend([
                ("purchase_rate", Cell::Modelled(r / alpha)),
                ("dropout_probability", probability),
                ("dropout_rate", rate),
                ("log_likelihood", Cell::Modelled(self.log_likelihood(fitted))),
            ]);
        }
        row
    }

    /// A step away from the fitted parameters makes the data less likely; a limit is as likely as any model inside.
    pub fn assert_maximum(&self, run: &str) {
        if let Some(fitted) = self.fitted {
            let best = self.log_likelihood(fitted);
            for step in [-2e-3, 2e-3] {
                for index in 0..4 {
                    let mut moved = fitted;
                    moved[index] *= 1.0 + step;
                    let other = self.log_likelihood(moved);
                    assert!(other < best, "{run}: {} {moved:?} gives {other}, above {best}", self.name);
                }
            }
            return;
        }
        for r in SHAPES {
            for rate in RATES {
                for [first, second] in DROP_OUTS {
                    let inside = [r, r / rate, first, second];
                    let other = self.log_likelihood(inside);
                    let best = self.log_likelihood;
                    assert!(other <= best + 1e-3, "{run}: {} {inside:?} gives {other}, above {best}", self.name);
                }
            }
        }
    }
}
