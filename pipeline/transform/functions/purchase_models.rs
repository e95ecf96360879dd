//! What SQL calls the models of repeat purchases: BG/NBD, MBG/NBD and Pareto/NBD.

use std::fmt;

use super::models::purchases::PurchaseModel;
use super::models::{bgnbd, mbgnbd, pareto_nbd};

/// A model with the names of its functions and fields.
pub(super) trait NamedModel: PurchaseModel + fmt::Debug + Send + Sync + 'static {
    const FIT: &'static str;
    const LOG_LIKELIHOOD: &'static str;
    const P_ALIVE: &'static str;
    const EXPECTED_PURCHASES: &'static str;
    const EXPECTED_PURCHASES_NEW: &'static str;
    const DISCOUNTED_PURCHASES: &'static str;
    /// The four parameters, each with its standard error.
    const PARAMETERS: [(&'static str, &'static str); 4];
    /// The fields of a fit that define the model, in the order of [`Columns`](super::models::purchases::Columns).
    const FIELDS: &'static [&'static str];
}

const R: (&str, &str) = ("r", "r_standard_error");
const ALPHA: (&str, &str) = ("alpha", "alpha_standard_error");
const A: (&str, &str) = ("a", "a_standard_error");
const B: (&str, &str) = ("b", "b_standard_error");
const BETA_GEOMETRIC: &[&str] = &["r", "alpha", "purchase_rate", "a", "b", "dropout_probability"];

impl NamedModel for bgnbd::Parameters {
    const FIT: &'static str = "bgnbd_fit";
    const LOG_LIKELIHOOD: &'static str = "bgnbd_log_likelihood";
    const P_ALIVE: &'static str = "bgnbd_p_alive";
    const EXPECTED_PURCHASES: &'static str = "bgnbd_expected_purchases";
    const EXPECTED_PURCHASES_NEW: &'static str = "bgnbd_expected_purchases_new";
    const DISCOUNTED_PURCHASES: &'static str = "bgnbd_discounted_purchases";
    const PARAMETERS: [(&'static str, &'static str); 4] = [R, ALPHA, A, B];
    const FIELDS: &'static [&'static str] = BETA_GEOMETRIC;
}

impl NamedModel for mbgnbd::Parameters {
    const FIT: &'static str = "mbgnbd_fit";
    const LOG_LIKELIHOOD: &'static str = "mbgnbd_log_likelihood";
    const P_ALIVE: &'static str = "mbgnbd_p_alive";
    const EXPECTED_PURCHASES: &'static str = "mbgnbd_expected_purchases";
    const EXPECTED_PURCHASES_NEW: &'static str = "mbgnbd_expected_purchases_new";
    const DISCOUNTED_PURCHASES: &'static str = "mbgnbd_discounted_purchases";
    const PARAMETERS: [(&'static str, &'static str); 4] = [R, ALPHA, A, B];
    const FIELDS: &'static [&'static str] = BETA_GEOMETRIC;
}

impl NamedModel for pareto_nbd::Parameters {
    const FIT: &'static str = "pareto_nbd_fit";
    const LOG_LIKELIHOOD: &'static str = "pareto_nbd_log_likelihood";
    const P_ALIVE: &'static str = "pareto_nbd_p_alive";
    const EXPECTED_PURCHASES: &'static str = "pareto_nbd_expected_purchases";
    const EXPECTED_PURCHASES_NEW: &'static str = "pareto_nbd_expected_purchases_new";
    const DISCOUNTED_PURCHASES: &'static str = "pareto_nbd_discounted_purchases";
    const PARAMETERS: [(&'static str, &'static str); 4] =
        [R, ALPHA, ("s", "s_standard_error"), ("beta", "beta_standard_error")];
    const FIELDS: &'static [&'static str] =
        &["r", "alpha", "purchase_rate", "s", "beta", "dropout_probability", "dropout_rate"];
}
