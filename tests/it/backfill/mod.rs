//! Backfills through the real binary: what they publish, and what becomes of them when they are disturbed.

mod disturbed;
mod equal;
pub mod kiosk;
mod limits;
mod long;
mod looks;
mod outlook;
mod pace;
mod pauses;
