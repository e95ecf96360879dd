//! Lands raw objects: from files as a company's systems drop them to typed rows in a Delta table, none lost, none twice.
//!
//! [`land()`] lists a source's objects (`discover`), compares them with what has been landed (`diff`), reads new and changed
//! ones (`read`) under the source's contract (`contract`), writes rows sorted by day (`sink`), takes out what replaced
//! objects brought before (`replace`), reads kept refused records `again` where their object is gone, settles the newest version of each key (`newest`), merges small files (`merge`), and
//! makes one commit of it all. A reader sees the table before that commit or after it.

mod again;
mod contract;
mod diff;
mod discover;
mod error;
mod intake;
mod key;
mod landing;
mod layout;
mod mask;
mod merge;
mod newest;
mod read;
mod rejected;
mod replace;
mod report;
mod sink;
mod tables;
mod template;

pub use contract::ContractError;
pub use diff::{Diff, FoundObject, LandedObject, Reland, Why, diff};
pub use discover::{Listing, discover};
pub use error::LandError;
pub use landing::{LandingPlan, LandingRequest, Sizes, land, plan_landing};
pub use layout::{
    BY, COLUMN, CONTRACT, DAY, ETAG, HEADER, KEY, KIND, Kind, LANDED_AT, LINE, LandedFiles, MODIFIED, OBJECT, OFFSET,
    RAW, REASON, REJECTED, ROWS, SIZE, WHOLE, contract_schema, landed_files, landed_schema,
};
pub use mask::mask_raw;
pub use newest::KeySizes;
pub use read::{ReadSizes, is_decoding};
pub use rejected::{RefusedRows, RejectedFilter, RejectedRow, refused_rows, rejected_rows};
pub use report::{KeptRecords, LandingFacts, LandingReport, ObjectReport, TouchedDays};
pub use template::{Template, TemplateError};
