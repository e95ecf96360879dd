//! propensities, propensity_models and propensity_deciles, with a logistic regression of its own.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Facts, Interaction};
use super::load::Run;
use super::moments::{day_of, days_between, in_window, plus};

const RIDGE: f64 = 10.0;
const TARGETS: [&str; 3] = ["respond", "purchase", "churn"];

/// What is known of a customer on a day, and what came after.
struct Snapshot {
    features: Vec<f64>,
    is_active: bool,
    is_contacted: bool,
    has_responded: bool,
    has_bought: bool,
}

impl Snapshot {
    fn is_eligible(&self, target: &str, is_today: bool) -> bool {
        match target {
            "respond" => is_today || self.is_contacted,
            "churn" => self.is_active,
            _ => true,
        }
    }

    fn label(&self, target: &str) -> f64 {
        let did = match target {
            "respond" => self.has_responded,
            "churn" => !self.has_bought,
            _ => self.has_bought,
        };
        f64::from(u8::from(did))
    }
}

type Snapshots<'a> = BTreeMap<&'a str, Snapshot>;

fn snapshots(facts: &Facts, cut: NaiveDate) -> Snapshots<'_> {
    let mut interactions: BTreeMap<&str, Vec<&Interaction>> = BTreeMap::new();
    for interaction in &facts.interactions {
        interactions.entry(&interaction.customer).or_default().push(interaction);
    }
    let known = facts.known.iter().filter(|(_, at)| at.is_none_or(|at| day_of(at) <= cut));
    known
        .map(|(id, at)| {
            let own = interactions.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            (id.as_str(), snapshot(facts, id, own, cut, at.map_or(0, |at| days_between(day_of(at), cut))))
        })
        .collect()
}

fn snapshot(facts: &Facts, id: &str, interactions: &[&Interaction], cut: NaiveDate, tenure: i64) -> Snapshot {
    let is_after = |day: NaiveDate| day > cut && day <= plus(cut, facts.parameters.conversion_days);
    let log = |number: f64| (1.0 + number).ln();
    let count = |days: i64, is_one: fn(&Interaction) -> bool| {
        interactions.iter().filter(|fact| in_window(fact.day, cut, days) && is_one(fact)).count() as f64
    };
    let buyer = facts.buyers.get(id);
    let all: Vec<NaiveDate> = buyer.iter().flat_map(|buyer| buyer.purchases.iter().map(|day| day.0)).collect();
    let bought: Vec<NaiveDate> = all.iter().copied().filter(|day| *day <= cut).collect();
    let purchases = |days: i64| bought.iter().filter(|day| in_window(**day, cut, days)).count() as f64;
    let cents = buyer.map_or(0, |buyer| buyer.money(|day| in_window(day, cut, 365)).0);
    let (first, last) = (bought.first().copied(), bought.last().copied());
    let span = first.zip(last).map_or(0, |(first, last)| days_between(first, last)) as f64;
    let between = if bought.len() > 1 { span / (bought.len() - 1) as f64 } else { 0.0 };
    let scores =
        facts.surveys.iter().filter(|survey| survey.customer == id && survey.kind == "nps" && survey.day <= cut);
    let newest = scores
        .filter_map(|survey| Some((survey.at, std::cmp::Reverse(&survey.id), survey.score?)))
        .max_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
    let one_if = |is: bool| f64::from(u8::from(is));
    Snapshot {
        features: vec![
            one_if(last.is_some()),
            last.map_or(0.0, |last| log(days_between(last, cut) as f64)),
            log(between),
            log(purchases(90)),
            log(purchases(365)),
            log(cents.max(0) as f64 / 100.0),
            log(count(30, |fact| fact.is_inbound)),
            log(count(90, |fact| fact.is_inbound)),
            log(count(90, |fact| fact.is_outbound)),
            log(count(365, |fact| fact.is_positive)),
            log(count(365, |fact| fact.is_negative || fact.kind.as_deref() == Some("unsubscribe"))),
            log(count(365, |fact| fact.is_complaint)),
            one_if(newest.is_some_and(|answer| answer.2 >= 9.0)),
            one_if(newest.is_some_and(|answer| answer.2 <= 6.0)),
            log(tenure as f64),
        ],
        is_active: last.is_some_and(|last| in_window(last, cut, facts.parameters.churn_window_days)),
        is_contacted: interactions.iter().any(|fact| fact.is_outbound && is_after(fact.day)),
        has_responded: interactions.iter().any(|fact| fact.is_positive && is_after(fact.day)),
        has_bought: all.iter().any(|day| is_after(*day)),
    }
}

/// A regression on standardised features.
struct Model {
    means: Vec<f64>,
    deviations: Vec<f64>,
    /// The intercept, then the coefficients.
    parameters: Vec<f64>,
}

impl Model {
    /// Newton's method; the intercept is not penalised.
    fn fit(rows: &[(&[f64], f64)], ridge: f64) -> Self {
        let (count, width) = (rows.len() as f64, rows[0].0.len());
        let means: Vec<f64> = (0..width).map(|at| rows.iter().map(|row| row.0[at]).sum::<f64>() / count).collect();
        let deviations = (0..width)
            .map(|at| (rows.iter().map(|row| (row.0[at] - means[at]).powi(2)).sum::<f64>() / count).sqrt())
            .collect();
        let mut model = Self { means, deviations, parameters: vec![0.0; width + 1] };
        for _ in 0..40 {
            let mut system = vec![vec![0.0; width + 2]; width + 1];
            for (features, label) in rows {
                let terms = model.terms(features);
                let score = model.score(features);
                for (line, term) in system.iter_mut().zip(&terms) {
                    for (slot, other) in line.iter_mut().zip(&terms) {
                        *slot += score * (1.0 - score) * term * other;
                    }
                    line[width + 1] += (label - score) * term;
                }
            }
            for (at, line) in system.iter_mut().enumerate().skip(1) {
                line[at] += ridge;
                line[width + 1] -= ridge * model.parameters[at];
            }
            for (parameter, step) in model.parameters.iter_mut().zip(solve(system)) {
                *parameter += step;
            }
        }
        model
    }

    fn terms(&self, features: &[f64]) -> Vec<f64> {
        let standardised = features
            .iter()
            .zip(self.means.iter().zip(&self.deviations))
            .map(|(value, (mean, deviation))| if *deviation < 1e-9 { 0.0 } else { (value - mean) / deviation });
        std::iter::once(1.0).chain(standardised).collect()
    }

    fn score(&self, features: &[f64]) -> f64 {
        let predictor: f64 =
            self.terms(features).iter().zip(&self.parameters).map(|(term, factor)| term * factor).sum();
        1.0 / (1.0 + (-predictor).exp())
    }
}

/// Gauss's elimination with pivots; the last column is the right side.
fn solve(mut system: Vec<Vec<f64>>) -> Vec<f64> {
    let size = system.len();
    for at in 0..size {
        let pivot =
            (at..size).max_by(|one, other| system[*one][at].abs().total_cmp(&system[*other][at].abs())).unwrap();
        system.swap(at, pivot);
        let line = system[at].clone();
        for (place, other) in system.iter_mut().enumerate().filter(|(place, _)| *place != at) {
            let factor = other[at] / line[at];
            assert!(factor.is_finite(), "row {place} of a singular system");
            other.iter_mut().zip(&line).for_each(|(slot, entry)| *slot -= factor * entry);
        }
    }
    system.iter().enumerate().map(|(at, line)| line[size] / line[at]).collect()
}

struct Scored {
    id: String,
    score: f64,
    label: f64,
    decile: i64,
}

/// A model and what it says, the highest score first.
struct Target {
    name: &'static str,
    trained: (i64, i64),
    log_likelihood: f64,
    judged: Vec<Scored>,
    today: Vec<Scored>,
}

impl Target {
    fn base_rate(&self) -> f64 {
        self.trained.1 as f64 / self.trained.0 as f64
    }

    fn log_loss(&self, score: impl Fn(&Scored) -> f64) -> f64 {
        let losses = self.judged.iter().map(|one| -(if one.label > 0.5 { score(one) } else { 1.0 - score(one) }).ln());
        losses.sum::<f64>() / self.judged.len() as f64
    }

    /// Pair by pair.
    fn auc(&self) -> f64 {
        let (mut in_order, mut pairs) = (0.0, 0.0);
        for one in self.judged.iter().filter(|one| one.label > 0.5) {
            for other in self.judged.iter().filter(|other| other.label < 0.5) {
                pairs += 1.0;
                in_order +=
                    if one.score > other.score { 1.0 } else { 0.5 * f64::from(u8::from(one.score == other.score)) };
            }
        }
        in_order / pairs
    }

    fn beats_base_rate(&self) -> bool {
        self.log_loss(|one| one.score) < self.log_loss(|_| self.base_rate()) && self.auc() > 0.5
    }
}

fn targets(run: &Run) -> Vec<Target> {
    let facts = &run.facts;
    let [trained, judged, today] =
        [2, 1, 0].map(|steps| snapshots(facts, plus(facts.as_of(), -steps * facts.parameters.conversion_days)));
    let target = |name| {
        let training: Vec<(&[f64], f64)> = trained
            .values()
            .filter(|customer| customer.is_eligible(name, false))
            .map(|customer| (customer.features.as_slice(), customer.label(name)))
            .collect();
        let model = Model::fit(&training, RIDGE);
        let likelihoods = training.iter().map(|(features, label)| {
            let score = model.score(features);
            (if *label > 0.5 { score } else { 1.0 - score }).ln()
        });
        Target {
            name,
            trained: (training.len() as i64, training.iter().filter(|row| row.1 > 0.5).count() as i64),
            log_likelihood: likelihoods.sum(),
            judged: scored(&model, name, &judged, false),
            today: scored(&model, name, &today, true),
        }
    };
    let targets: Vec<Target> = TARGETS.into_iter().map(target).collect();
    for target in &targets {
        let positives = target.judged.iter().filter(|one| one.label > 0.5).count();
        let is_mixed = positives > 0 && positives < target.judged.len() && target.trained.1 > 0;
        assert!(is_mixed, "{}: {} has nothing to tell apart: choose other demo data", run.name, target.name);
    }
    targets
}

fn scored(model: &Model, target: &str, snapshots: &Snapshots<'_>, is_today: bool) -> Vec<Scored> {
    let eligible = snapshots.iter().filter(|(_, customer)| customer.is_eligible(target, is_today));
    let mut scored: Vec<Scored> = eligible
        .map(|(id, customer)| Scored {
            id: (*id).to_owned(),
            score: model.score(&customer.features),
            label: customer.label(target),
            decile: 0,
        })
        .collect();
    scored.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.id.cmp(&other.id)));
    // Ten parts, the first ones a customer larger where it does not come out even.
    let (part, larger) = (scored.len() / 10, scored.len() % 10);
    let sizes = (0..10).map(|decile| part + usize::from(decile < larger));
    let deciles: Vec<i64> = (1..).zip(sizes).flat_map(|(decile, size)| vec![decile; size]).collect();
    scored.iter_mut().zip(deciles).for_each(|(one, decile)| one.decile = decile);
    scored
}

pub fn propensities(run: &Run) -> Expected {
    let mut rows = Vec::new();
    for target in targets(run) {
        let places = target.today.iter().enumerate().map(|(place, one)| (one.id.as_str(), (place as i64 + 1, one)));
        let places: BTreeMap<&str, (i64, &Scored)> = places.collect();
        for id in run.facts.known.keys() {
            let place = places.get(id.as_str());
            let modelled = |value: fn(f64, f64) -> f64| {
                place.map_or(Cell::Null, |(_, one)| Cell::Modelled(value(one.score, target.base_rate())))
            };
            rows.push(Row::from([
                ("customer_id", id.as_str().into()),
                ("target", target.name.into()),
                ("is_eligible", place.is_some().into()),
                ("score", modelled(|score, _| score)),
                ("rank", place.map(|(rank, _)| *rank).into()),
                ("decile", place.map(|(_, one)| one.decile).into()),
                ("base_rate", Cell::Ratio(target.base_rate())),
                ("lift_ratio", modelled(|score, base_rate| score / base_rate)),
                ("is_reliable", target.beats_base_rate().into()),
            ]));
        }
    }
    Expected { grain: &["customer_id", "target"], rows }
}

pub fn models(run: &Run) -> Expected {
    let (as_of, days) = (run.facts.as_of(), run.facts.parameters.conversion_days);
    let rows = targets(run).into_iter().map(|target| {
        let count = target.judged.len() as i64;
        let positives = target.judged.iter().filter(|one| one.label > 0.5).count() as i64;
        let rate = positives as f64 / count as f64;
        let scores: f64 = target.judged.iter().map(|one| one.score).sum();
        let top: Vec<&Scored> = target.judged.iter().filter(|one| one.decile == 1).collect();
        let top_rate = top.iter().map(|one| one.label).sum::<f64>() / top.len() as f64;
        let logits: Vec<[f64; 1]> = target.judged.iter().map(|one| [(one.score / (1.0 - one.score)).ln()]).collect();
        let logits: Vec<(&[f64], f64)> =
            logits.iter().zip(&target.judged).map(|(logit, one)| (logit.as_slice(), one.label)).collect();
        let recalibration = Model::fit(&logits, 1e-6);
        // Hanley and McNeil (1982), equation 1.
        let area = target.auc();
        let (both_positive, both_other) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
        let (is, is_not) = (positives as f64, (count - positives) as f64);
        let spread = area * (1.0 - area)
            + (is - 1.0) * (both_positive - area * area)
            + (is_not - 1.0) * (both_other - area * area);
        let beats = target.beats_base_rate();
        Row::from([
            ("target", target.name.into()),
            ("trained_on", plus(as_of, -2 * days).into()),
            ("judged_on", plus(as_of, -days).into()),
            ("trained_customers", target.trained.0.into()),
            ("trained_positives", target.trained.1.into()),
            ("base_rate", ratio(target.trained.1, target.trained.0)),
            ("log_likelihood", Cell::Modelled(target.log_likelihood)),
            ("is_converged", true.into()),
            ("is_boundary", false.into()),
            ("judged_customers", count.into()),
            ("judged_positives", positives.into()),
            ("observed_rate", ratio(positives, count)),
            ("mean_score", Cell::Modelled(scores / count as f64)),
            ("auc", Cell::Modelled(area)),
            ("auc_standard_error", Cell::Modelled((spread / (is * is_not)).sqrt())),
            ("log_loss", Cell::Modelled(target.log_loss(|one| one.score))),
            ("base_log_loss", Cell::Modelled(target.log_loss(|_| target.base_rate()))),
            ("calibration_ratio", Cell::Modelled(scores / positives as f64)),
            ("calibration_slope", Cell::Modelled(recalibration.parameters[1] / recalibration.deviations[0])),
            ("lift_ratio", Cell::Modelled(top_rate / rate)),
            ("beats_base_rate", beats.into()),
            ("verdict", if beats { "beats the base rate".into() } else { Cell::Any }),
        ])
    });
    Expected { grain: &["target"], rows: rows.collect() }
}

pub fn deciles(run: &Run) -> Expected {
    let mut rows = Vec::new();
    for target in targets(run) {
        let rate = target.judged.iter().map(|one| one.label).sum::<f64>() / target.judged.len() as f64;
        for decile in 1..=10 {
            let own: Vec<&Scored> = target.judged.iter().filter(|one| one.decile == decile).collect();
            let sum = |value: fn(&Scored) -> f64| own.iter().map(|one| value(one)).sum::<f64>();
            let mean = |total: f64| if own.is_empty() { Cell::Null } else { Cell::Modelled(total / own.len() as f64) };
            rows.push(Row::from([
                ("target", target.name.into()),
                ("decile", decile.into()),
                ("customers", (own.len() as i64).into()),
                ("positives", (sum(|one| one.label) as i64).into()),
                ("mean_score", mean(sum(|one| one.score))),
                ("observed_rate", mean(sum(|one| one.label))),
                ("lift_ratio", mean(sum(|one| one.label) / rate)),
            ]));
        }
    }
    Expected { grain: &["target", "decile"], rows }
}
