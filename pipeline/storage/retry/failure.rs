//! Which failures may pass, and the words of those that did not.

use std::error::Error as StdError;
use std::io::ErrorKind;

use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;

use crate::storage::StorageError;

/// What a store's error says when trying again did not help.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    #[error("{operation} of `{path}` was tried {tries} times")]
    GaveUp {
        operation: &'static str,
        path: String,
        tries: u32,
        #[source]
        source: Box<object_store::Error>,
    },
    /// It may have taken effect: nothing that it names may be deleted.
    #[error("whether {operation} of `{path}` took effect is unknown: it could not be read back")]
    Unclear {
        operation: &'static str,
        path: String,
        #[source]
        source: Box<object_store::Error>,
    },
    #[error("the body of `{path}` ended {missing} bytes too early")]
    Short { path: String, missing: u64 },
    #[error("the body of `{path}` is {excess} bytes too long")]
    Long { path: String, excess: u64 },
    #[error("the range that was asked for ends {missing} bytes after `{path}`")]
    PastEnd { path: String, missing: u64 },
    #[error("part {part} of `{path}` was not sent")]
    PartMissing { path: String, part: usize },
    #[error("{operation} of `{path}` was not tried, for the store had failed before")]
    NotTried { operation: &'static str, path: String },
}

const STORE: &str = "object store";

pub(super) fn generic(failure: StoreFailure) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(failure) }
}

pub(super) fn unclear(operation: &'static str, path: &Path, error: object_store::Error) -> object_store::Error {
    generic(StoreFailure::Unclear { operation, path: path.to_string(), source: Box::new(error) })
}

pub(super) fn past_end(path: &Path, missing: u64) -> object_store::Error {
    generic(StoreFailure::PastEnd { path: path.to_string(), missing })
}

pub(super) fn not_tried(operation: &'static str, path: &Path) -> object_store::Error {
    generic(StoreFailure::NotTried { operation, path: path.to_string() })
}

/// Another version of an object lies where a body is to go on.
pub(super) fn changed(path: &Path) -> object_store::Error {
    let source = "the object changed while it was being read".into();
    object_store::Error::Precondition { path: path.to_string(), source }
}

/// Whether a store that failed so may do the same thing a little later.
///
/// A failure that was repeated here already may not: the caller has waited long enough.
pub fn is_transient(error: &object_store::Error) -> bool {
    let object_store::Error::Generic { store, .. } = error else { return false };
    for cause in chain(error) {
        if let Some(failure) = cause.downcast_ref::<StoreFailure>() {
            return matches!(failure, StoreFailure::Short { .. });
        }
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            // Without credentials a machine looks for a cloud's own, at addresses that elsewhere nobody answers.
            return http.kind() != HttpErrorKind::Connect || !is_about_credentials(error);
        }
        if let Some(is_transient) = cause.downcast_ref().and_then(|error: &std::io::Error| passes(error.kind())) {
            return is_transient;
        }
    }
    match http_status(error) {
        Some(408 | 429) => true,
        // Not implemented, a version not supported, no space left.
        Some(501 | 505 | 507) => false,
        Some(status) => (500..600).contains(&status),
        // A remote store's answer that cannot be understood may have been cut; a local one's cannot.
        None => !["LocalFileSystem", "InMemory"].contains(store),
    }
}

/// Whether work that ended so may succeed when it is begun again, minutes later and from another start.
///
/// Unlike [`is_transient`] this holds for what was repeated in vain, and for a conflict with another writer.
pub fn may_pass(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        cause.downcast_ref().is_some_and(is_transient)
            || matches!(cause.downcast_ref(), Some(StorageError::Conflict { .. }))
            || cause.downcast_ref().is_some_and(|failure| {
                use StoreFailure::{GaveUp, NotTried, Unclear};
                matches!(failure, GaveUp { .. } | Unclear { .. } | NotTried { .. })
            })
    })
}

fn passes(kind: ErrorKind) -> Option<bool> {
    match kind {
        ErrorKind::Interrupted
        | ErrorKind::WouldBlock
        | ErrorKind::TimedOut
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionRefused
        | ErrorKind::NotConnected
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::NetworkDown
        | ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable => Some(true),
        // A wrapper; the cause says more.
        ErrorKind::Other => None,
        _ => Some(false),
    }
}

fn is_about_credentials(error: &object_store::Error) -> bool {
    let text = error.to_string();
    ["://169.254.", "://metadata.google.internal"].iter().any(|address| text.contains(address))
}

/// Whether the client below repeated the request by itself: then the answer may be to its second try. It says so in
/// words only.
pub(super) fn was_repeated_below(error: &object_store::Error) -> bool {
    chain(error).any(|cause| cause.to_string().contains(" retries, max_retries: "))
}

/// An error and what led to it, through wrappers that hide themselves.
pub(in crate::storage) fn chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'e (dyn StdError + 'static) = *error;
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

pub(in crate::storage) fn io_error_kind(error: &object_store::Error) -> Option<ErrorKind> {
    chain(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind)
}

/// The HTTP status that an error speaks of: a store's listing does not sort its errors, and their types are private.
pub(in crate::storage) fn http_status(error: &object_store::Error) -> Option<u16> {
    let deepest = chain(error).last()?.to_string();
    let (_, status) = deepest.split_once("status code: ")?;
    status.get(..3)?.parse().ok()
}
