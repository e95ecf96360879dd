//! Lists a source's drop zone.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::diff::FoundObject;
use super::error::LandError;
use super::template::Template;
use crate::config::Source;
use crate::storage::{StorageError, Stores};

/// A source's drop zone, listed.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// In the order of names.
    pub objects: Vec<FoundObject>,
    /// Objects below the folder that are not the source's: none of both is an empty drop zone.
    pub others: usize,
}

/// Lists the objects of a source.
///
/// # Errors
/// A folder, bucket or single object that does not exist is an error; a folder without matching objects is not.
pub async fn discover(stores: &Stores, source: &Source, raw: &Url) -> Result<Listing, LandError> {
    discover_template(stores, source, &parse_location(source)?, raw).await
}

/// [`discover`] with the source's location taken apart already.
pub(crate) async fn discover_template(
    stores: &Stores,
    source: &Source,
    template: &Template,
    raw: &Url,
) -> Result<Listing, LandError> {
    let failed = |location: &str, error: StorageError| list_error(source, location, error);
    let (store, folder) = stores.open(&template.folder).map_err(|error| failed(&source.location, error))?;
    check_folder(source, template).await?;
    let naming = Naming::new(template, raw, &folder);
    let mut listing = Listing::default();
    let failed_in_store = |error| failed(&source.location, StorageError::from_store(&source.location, error));
    match template.object() {
        Some(name) => {
            let meta = store.head(&child(&folder, name)).await.map_err(failed_in_store)?;
            add(&mut listing, template, &naming, &folder, meta);
        }
        None => {
            list(store.as_ref(), &folder, |meta| add(&mut listing, template, &naming, &folder, meta))
                .await
                .map_err(failed_in_store)?;
        }
    }
    listing.objects.sort_by(|one, other| one.name.cmp(&other.name));
    listing.objects.dedup_by(|one, other| one.name == other.name);
    Ok(listing)
}

/// Takes a source's location apart.
pub(crate) fn parse_location(source: &Source) -> Result<Template, LandError> {
    Template::parse(&source.location)
        .map_err(|error| LandError::Template { source_name: source.name.clone(), source: error })
}

async fn list(
    store: &dyn ObjectStore,
    prefix: &Path,
    mut each: impl FnMut(ObjectMeta),
) -> Result<(), object_store::Error> {
    let mut pages = store.list(Some(prefix));
    while let Some(meta) = pages.try_next().await? {
        each(meta);
    }
    Ok(())
}

fn add(listing: &mut Listing, template: &Template, naming: &Naming, folder: &Path, meta: ObjectMeta) {
    let relative = relative(folder, &meta.location);
    if !template.matches(&relative) {
        listing.others += 1;
        return;
    }
    let day = template.day_of(&relative);
    let micros = meta.last_modified.timestamp_micros();
    listing.objects.push(FoundObject {
        name: naming.name(&relative),
        has_store_etag: meta.e_tag.is_some(),
        etag: meta.e_tag.unwrap_or_else(|| format!("{micros}-{}", meta.size)),
        path: meta.location,
        size: meta.size,
        // Finer than microseconds cannot be stored.
        modified: chrono::DateTime::from_timestamp_micros(micros).unwrap_or(meta.last_modified),
        day,
    });
}

/// A local folder that does not exist lists as an empty one: it must be told apart.
async fn check_folder(source: &Source, template: &Template) -> Result<(), LandError> {
    if template.folder.scheme() != "file" {
        return Ok(());
    }
    let (source_name, location) = (source.name.clone(), source.location.clone());
    let Ok(folder) = template.folder.to_file_path() else {
        return Err(LandError::LocationMissing { source_name, location });
    };
    match tokio::fs::read_dir(&folder).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(LandError::LocationForbidden { source_name, location, source: None })
        }
        Err(_) => Err(LandError::LocationMissing { source_name, location }),
    }
}

fn list_error(source: &Source, location: &str, error: StorageError) -> LandError {
    let (source_name, location) = (source.name.clone(), location.to_owned());
    match error {
        StorageError::NotFound(_) => LandError::LocationMissing { source_name, location },
        StorageError::NotPermitted { source, .. } => {
            LandError::LocationForbidden { source_name, location, source: Some(source) }
        }
        error => LandError::List { source_name, location, source: Box::new(error) },
    }
}

/// A path below a folder, spelled as stores spell the paths that they list.
fn child(folder: &Path, name: &str) -> Path {
    let whole = format!("{folder}/{name}");
    Path::parse(whole.trim_start_matches('/')).unwrap_or_else(|_| Path::from(whole))
}

fn relative(folder: &Path, path: &Path) -> String {
    match path.prefix_match(folder) {
        Some(parts) => parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"),
        None => path.to_string(),
    }
}

/// Names objects so that the name outlives a move of the whole drop zone.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    prefix: String,
}

impl Naming {
    pub fn new(template: &Template, raw: &Url, folder: &Path) -> Self {
        let same_host = raw.scheme() == template.folder.scheme() && raw.authority() == template.folder.authority();
        let below = same_host
            .then(|| object_store::ObjectStoreScheme::parse(raw).ok())
            .flatten()
            .and_then(|(_, raw)| Some(folder.prefix_match(&raw)?.map(|part| part.as_ref().to_owned()).collect()))
            .map(|parts: Vec<String>| parts.iter().map(|part| format!("{part}/")).collect());
        Self { prefix: below.unwrap_or_else(|| template.folder.to_string()) }
    }

    pub fn name(&self, relative: &str) -> String {
        format!("{}{relative}", self.prefix)
    }
}
