//! The mathematics behind the functions, without DataFusion: numbers in, numbers out.
//!
//! A model is a folder: its parameters with their limits, its likelihood with exact derivatives, its fit, and what it
//! predicts. A further one (Pareto/NBD, MBG/NBD, k-means, logistic regression) gets its own beside these.

pub mod bgnbd;
pub mod gamma_gamma;
pub mod graph;
pub mod intervals;
pub mod optimise;
pub mod quantiles;
pub mod special;
pub mod survival;
