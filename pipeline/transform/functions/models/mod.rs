//! The mathematics behind the functions, without DataFusion: numbers in, numbers out.
//!
//! A model is a folder: its parameters with their limits, its likelihood with exact derivatives, its fit, and what it
//! predicts. A further one (Pareto/NBD, MBG/NBD, k-means, Kaplan-Meier) gets its own beside these.

pub mod bgnbd;
pub mod gamma_gamma;
pub mod graph;
pub mod kmeans;
pub mod optimise;
pub mod random;
pub mod logistic;
pub mod ranking;
pub mod special;
