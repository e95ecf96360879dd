//! Tables and releases: what is visible when, and who wins.

mod nightly_on_s3;
mod tables;
mod warehouse;
