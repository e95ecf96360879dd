//! What BG/NBD and Gamma-Gamma say of a customer, from their published formulas and the fitted parameters.
//!
//! BG/NBD: Fader, Hardie and Lee (2005), equations 6 and 10 and the probability of being alive; Gamma-Gamma: Fader and
//! Hardie (2013). Times are in weeks. Gauss's hypergeometric function is summed as its series, the logarithm of the gamma
//! function is Stirling's series.

use serde_json::{Map, Value as Json};

use super::compare::{Cell, Expected, Row};
use super::facts::{Buyer, Facts};
use super::load::Run;
use super::moments::days_between;
use super::purchase_models::OtherModel;

const YEAR_DAYS: f64 = 365.0;
const DISCOUNT_RATE: f64 = 0.10;

/// The fitted parameters.
pub struct Models<'a> {
    facts: &'a Facts,
    bgnbd: [f64; 4],
    /// The drop-out probability of everyone, where a and b ran to infinity.
    same_dropout: Option<f64>,
    gamma_gamma: [f64; 3],
}

/// The inputs of one customer.
pub struct Inputs {
    pub frequency: i64,
    pub recency: f64,
    pub age: f64,
    /// Mean revenue of the purchase days after the first.
    pub monetary: Option<f64>,
}

impl<'a> Models<'a> {
    pub fn new(run: &'a Run) -> Self {
        let number = |model: &str, name: &str| {
            let row: &Map<String, Json> = &run.models[model];
            row[name].as_f64().unwrap_or_else(|| panic!("{}: {model} has no {name}: choose other demo data", run.name))
        };
        let is_same = run.models["bgnbd"]["a"].is_null();
        let (a, b) = if is_same { (f64::NAN, f64::NAN) } else { (number("bgnbd", "a"), number("bgnbd", "b")) };
        Self {
            facts: &run.facts,
            bgnbd: [number("bgnbd", "r"), number("bgnbd", "alpha"), a, b],
            same_dropout: is_same.then(|| number("bgnbd", "dropout_probability")),
            gamma_gamma: ["p", "q", "v"].map(|name| number("gamma_gamma", name)),
        }
    }

    pub fn inputs(&self, buyer: &Buyer) -> Inputs {
        let frequency = buyer.purchases.len() as i64 - 1;
        let repeat: i64 = buyer.purchases.iter().skip(1).map(|purchase| purchase.2).sum();
        Inputs {
            frequency,
            recency: days_between(buyer.first(), buyer.last()) as f64 / 7.0,
            age: days_between(buyer.first(), self.facts.as_of()) as f64 / 7.0,
            monetary: (frequency > 0).then(|| repeat as f64 / 100.0 / frequency as f64),
        }
    }

    /// The odds that a customer has dropped out.
    fn odds_of_dropout(&self, inputs: &Inputs) -> f64 {
        let [r, alpha, a, b] = self.bgnbd;
        let x = inputs.frequency as f64;
        if inputs.frequency == 0 {
            return 0.0;
        }
        let odds = self.same_dropout.map_or(a / (b + x - 1.0), |dropout| dropout / (1.0 - dropout));
        odds * ((alpha + inputs.age) / (alpha + inputs.recency)).powf(r + x)
    }

    pub fn p_alive(&self, buyer: &Buyer) -> f64 {
        1.0 / (1.0 + self.odds_of_dropout(&self.inputs(buyer)))
    }

    /// Purchases expected in the days after as_of.
    pub fn expected_purchases(&self, buyer: &Buyer, days: f64) -> f64 {
        let [r, alpha, a, b] = self.bgnbd;
        let inputs = self.inputs(buyer);
        let x = inputs.frequency as f64;
        let (now, then) = (alpha + inputs.age, alpha + inputs.age + days / 7.0);
        if let Some(dropout) = self.same_dropout {
            let weeks = days / 7.0;
            let of_the_living = if dropout == 0.0 {
                (r + x) * weeks / now
            } else {
                (1.0 - (now / (now + dropout * weeks)).powf(r + x)) / dropout
            };
            return of_the_living / (1.0 + self.odds_of_dropout(&inputs));
        }
        let tail = (now / then).powf(r + x) * hypergeometric(r + x, b + x, a + b + x - 1.0, 1.0 - now / then);
        (a + b + x - 1.0) / (a - 1.0) * (1.0 - tail) / (1.0 + self.odds_of_dropout(&inputs))
    }

    /// The expected value of a customer's purchase: the population's mean without repeat purchases of some value.
    pub fn expected_value(&self, buyer: &Buyer) -> f64 {
        let [p, q, v] = self.gamma_gamma;
        let inputs = self.inputs(buyer);
        match inputs.monetary.filter(|monetary| *monetary > 0.0) {
            None => p * v / (q - 1.0),
            Some(monetary) => {
                let x = inputs.frequency as f64;
                p * (v + x * monetary) / (p * x + q - 1.0)
            }
        }
    }

    /// Expected margin of the next year's purchases, discounted to the end of each twelfth.
    pub fn clv(&self, buyer: &Buyer) -> f64 {
        let (margin, revenue) = self.facts.margin_rate();
        let mut purchases = 0.0;
        let mut before = 0.0;
        for step in 1..=12 {
            let share = f64::from(step) / 12.0;
            let until = self.expected_purchases(buyer, YEAR_DAYS * share);
            purchases += (until - before) / (1.0 + DISCOUNT_RATE).powf(share);
            before = until;
        }
        self.expected_value(buyer) * margin as f64 / revenue as f64 * purchases
    }

    /// MBG/NBD and Pareto/NBD, which are fitted beside.
    fn others(&self, run: &Run) -> [OtherModel; 2] {
        OtherModel::all(run, self.facts.buyers.values().map(|buyer| self.inputs(buyer)))
    }

    fn bgnbd_log_likelihood(&self, [r, alpha, a, b]: [f64; 4]) -> f64 {
        let of_one = |buyer: &Buyer| {
            let inputs = self.inputs(buyer);
            let x = inputs.frequency as f64;
            let alive = (alpha + inputs.age).powf(-r - x);
            let dropped =
                if inputs.frequency == 0 { 0.0 } else { a / (b + x - 1.0) * (alpha + inputs.recency).powf(-r - x) };
            ln_gamma(r + x) - ln_gamma(r) + r * alpha.ln() + ln_gamma(a + b) + ln_gamma(b + x)
                - ln_gamma(b)
                - ln_gamma(a + b + x)
                + (alive + dropped).ln()
        };
        self.facts.buyers.values().map(of_one).sum()
    }

    /// Frequency and monetary of those whom Gamma-Gamma is fitted to.
    fn spenders(&self) -> Vec<(f64, f64)> {
        let inputs = self.facts.buyers.values().map(|buyer| self.inputs(buyer));
        inputs
            .filter_map(|inputs| Some((inputs.frequency as f64, inputs.monetary?)))
            .filter(|(_, monetary)| *monetary > 0.0)
            .collect()
    }

    fn gamma_gamma_log_likelihood(&self, [p, q, v]: [f64; 3]) -> f64 {
        let of_one = |(x, monetary): (f64, f64)| {
            ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(q)
                + q * v.ln()
                + (p * x - 1.0) * monetary.ln()
                + p * x * x.ln()
                - (p * x + q) * (v + x * monetary).ln()
        };
        self.spenders().into_iter().map(of_one).sum()
    }
}

/// clv_model, with the fitted parameters themselves and their errors taken as they are.
pub fn clv_model(run: &Run) -> Expected {
    let models = Models::new(run);
    let [r, alpha, a, b] = models.bgnbd;
    let [p, q, v] = models.gamma_gamma;
    let of_bgnbd = ["r", "alpha", "a", "b"];
    let of_gamma_gamma = ["p", "q", "v"];
    let columns = [
        "r",
        "alpha",
        "a",
        "b",
        "s",
        "beta",
        "p",
        "q",
        "v",
        "r_standard_error",
        "alpha_standard_error",
        "a_standard_error",
        "b_standard_error",
        "s_standard_error",
        "beta_standard_error",
        "p_standard_error",
        "q_standard_error",
        "v_standard_error",
        "purchase_rate",
        "dropout_probability",
        "dropout_rate",
        "mean_value",
    ];
    let row = |model: &'static str, own: &[&str]| {
        let is_own = |name: &str| own.iter().any(|own| name == *own || name == format!("{own}_standard_error"));
        let mut row: Row =
            columns.into_iter().map(|name| (name, if is_own(name) { Cell::Any } else { Cell::Null })).collect();
        row.extend([
            ("model", model.into()),
            ("is_selected", true.into()),
            ("is_converged", true.into()),
            ("is_boundary", false.into()),
        ]);
        row
    };
    let mut bgnbd = row("bgnbd", &of_bgnbd);
    bgnbd.extend([
        ("purchase_rate", Cell::Modelled(r / alpha)),
        ("dropout_probability", Cell::Modelled(a / (a + b))),
        ("customers", (models.facts.buyers.len() as i64).into()),
        ("log_likelihood", Cell::Modelled(models.bgnbd_log_likelihood(models.bgnbd))),
    ]);
    if models.same_dropout.is_some() {
        for name in columns.into_iter().take(4).chain(columns.into_iter().skip(9).take(4)) {
            bgnbd.insert(name, Cell::Any);
        }
        bgnbd.extend([("dropout_probability", Cell::Any), ("log_likelihood", Cell::Any)]);
        bgnbd.insert("is_boundary", true.into());
    }
    let mut gamma_gamma = row("gamma_gamma", &of_gamma_gamma);
    gamma_gamma.extend([
        ("mean_value", Cell::Modelled(p * v / (q - 1.0))),
        ("customers", (models.spenders().len() as i64).into()),
        ("log_likelihood", Cell::Modelled(models.gamma_gamma_log_likelihood(models.gamma_gamma))),
    ]);
    let [mbgnbd, pareto_nbd] = models.others(run).map(|other| other.row(&columns));
    Expected { grain: &["model"], rows: vec![bgnbd, mbgnbd, pareto_nbd, gamma_gamma] }
}

/// A step away from the fitted parameters, in any one of them, makes the data less likely.
pub fn assert_maxima(run: &Run) {
    let models = Models::new(run);
    for other in models.others(run) {
        other.assert_maximum(run.name);
    }
    for step in [-1e-3, 1e-3] {
        for index in if models.same_dropout.is_some() { 0..0 } else { 0..4 } {
            let mut moved = models.bgnbd;
            moved[index] *= 1.0 + step;
            let (best, other) = (models.bgnbd_log_likelihood(models.bgnbd), models.bgnbd_log_likelihood(moved));
            assert!(other < best, "{}: bgnbd {moved:?} gives {other}, above {best}", run.name);
        }
        for index in 0..3 {
            let mut moved = models.gamma_gamma;
            moved[index] *= 1.0 + step;
            let best = models.gamma_gamma_log_likelihood(models.gamma_gamma);
            let other = models.gamma_gamma_log_likelihood(moved);
            assert!(other < best, "{}: gamma_gamma {moved:?} gives {other}, above {best}", run.name);
        }
    }
}

/// Gauss's hypergeometric function for 0 <= z < 1 and positive parameters, whose series has positive terms only.
fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 0..1_000_000 {
        let n = f64::from(n);
        let factor = (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        term *= factor;
        sum += term;
        if factor < 1.0 && term < sum * 1e-16 * (1.0 - factor) {
            return sum;
        }
    }
    panic!("the series does not end: {a}, {b}, {c}, {z}");
}

/// The logarithm of the gamma function of a positive number.
pub fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 15.0 {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - product.ln()
}
