//! The mathematics behind the functions, without DataFusion: numbers in, numbers out.
//!
//! A model is a folder: its parameters with their limits, its likelihood with exact derivatives, its fit, and what it
//! predicts. A further one gets its own beside these. What the models of repeat purchases share is in [`purchases`].

pub mod bgnbd;
pub mod gamma_gamma;
pub mod graph;
pub mod intervals;
pub mod kmeans;
pub mod logistic;
pub mod mbgnbd;
pub mod optimise;
pub mod pareto_nbd;
pub mod purchases;
pub mod quantiles;
pub mod random;
pub mod ranking;
pub mod special;
pub mod survival;
