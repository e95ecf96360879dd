//! Places in stores, as the configuration writes them.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::Location;
use super::text::{Unfit, did_you_mean};

const SCHEMES: [&str; 6] = ["file", "s3", "gs", "az", "abfs", "abfss"];

fn unfit() -> Unfit {
    Unfit::new("a path in the project, or a URL such as `s3://bucket/prefix`")
}

/// Parses a path, relative to the project's root, or a URL, into a location without a trailing slash.
pub(crate) fn parse_location(text: &str, root: &Path) -> Result<Location, Unfit> {
    if text.trim().is_empty() {
        return Err(unfit());
    }
    if text.contains(['*', '?', '[', ']', '{', '}']) && text.contains("://") {
        return Err(unfit().hint("globs and `{day}` belong into the `location` of a source"));
    }
    let Some(scheme) = scheme_of(text)? else {
        return path_url(&absolute(root, text));
    };
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| unfit())?;
    check_host(scheme, url.host_str().unwrap_or_default())?;
    if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
        return Err(unfit().hint("a location has no query and no password; credentials go into `storage`"));
    }
    Ok(Location(url))
}

/// Checks the location of a source and completes it into a URL; `{day}` and globs remain.
///
/// The part before the first of them is a URL; the rest is text to be compared with the objects' paths.
pub(crate) fn parse_pattern(text: &str, raw: Option<&Location>, root: &Path) -> Result<String, Unfit> {
    check_pattern(text)?;
    if let Some(below) = text.strip_prefix("${raw}") {
        if !below.starts_with('/') {
            return Err(Unfit::new("a `/` and the objects' path after `${raw}`").hint("such as `${raw}/orders/*.csv`"));
        }
        // Where `raw` itself is wrong, that has been reported.
        return Ok(raw.map_or_else(String::new, |raw| format!("{}{below}", raw.0.as_str().trim_end_matches('/'))));
    }
    if text.contains("${raw}") {
        return Err(Unfit::new("`${raw}` at its start only"));
    }
    if let Some(scheme) = scheme_of(text)? {
        let after = text.split_once("://").map_or("", |(_, after)| after);
        check_host(scheme, after.split('/').next().unwrap_or_default())?;
        return Ok(text.to_owned());
    }
    if Path::new(text).is_absolute() {
        return Ok(format!("file://{text}"));
    }
    let root = path_url(&absolute(root, "."))?;
    Ok(format!("{}/{}", root.0.as_str().trim_end_matches('/'), text.trim_start_matches("./")))
}

fn check_pattern(text: &str) -> Result<(), Unfit> {
    let path = text.strip_prefix("${raw}").unwrap_or(text);
    let mut rest = path;
    while let Some(start) = rest.find(['{', '}']) {
        let after = &rest[start..];
        let end = after.find('}').map(|end| end + 1);
        match end.map(|end| after.split_at(end)) {
            Some(("{day}", after)) => rest = after,
            Some((other, _)) if other.starts_with('{') => {
                let name = other.trim_matches(['{', '}']);
                let unfit = Unfit::new(format!("no placeholder but `{{day}}`, not `{other}`"));
                return Err(match did_you_mean(name, ["day"]) {
                    Some(_) => unfit.hint("did you mean `{day}`?"),
                    None if name.contains(',') => unfit.hint("alternatives are not supported; use `*` or two sources"),
                    None => unfit,
                });
            }
            _ => return Err(Unfit::new("`{` and `}` only in `{day}`")),
        }
    }
    if path.trim().is_empty() || path.ends_with('/') {
        return Err(Unfit::new("objects, not a folder").hint("add `*` for the objects in it, or `**` for all below it"));
    }
    let glob = path.replace("{day}", "2000-01-01");
    globset::GlobBuilder::new(&glob)
        .literal_separator(true)
        .build()
        .map_err(|error| Unfit::new(format!("a pattern of `*`, `?`, `[…]` and `**`: {}", error.kind())))?;
    Ok(())
}

/// The URL's scheme; `None` for a path.
fn scheme_of(text: &str) -> Result<Option<&str>, Unfit> {
    let Some((scheme, _)) = text.split_once("://") else {
        let looks_like_url = SCHEMES.iter().find(|scheme| text.starts_with(&format!("{scheme}:")));
        return match looks_like_url {
            Some(scheme) => Err(unfit().hint(format!("a URL begins with `{scheme}://`"))),
            None => Ok(None),
        };
    };
    if SCHEMES.contains(&scheme) {
        return Ok(Some(scheme));
    }
    let unfit = Unfit::new("a URL that begins with one of `file://`, `s3://`, `gs://`, `az://`, `abfss://`");
    Err(match scheme {
        "s3a" | "s3n" => unfit.hint("did you mean `s3://`?"),
        "gcs" => unfit.hint("did you mean `gs://`?"),
        "azure" | "adl" => unfit.hint("did you mean `az://`?"),
        _ => unfit,
    })
}

fn check_host(scheme: &str, host: &str) -> Result<(), Unfit> {
    match (scheme, host.is_empty()) {
        ("file", true) => Ok(()),
        ("file", false) => Err(Unfit::new("an absolute path after `file://`").hint("such as `file:///data/raw`")),
        (_, true) => Err(Unfit::new(format!("a bucket or container after `{scheme}://`"))),
        (_, false) if host.contains(['*', '{', '[']) => Err(Unfit::new("no pattern in the bucket's name")),
        (_, false) => Ok(()),
    }
}

/// The path below a root, without `.` and `..`.
pub(crate) fn absolute(root: &Path, text: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in root.join(text).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

fn path_url(path: &Path) -> Result<Location, Unfit> {
    let url = Url::from_file_path(path).map_err(|()| unfit())?;
    // What would be a glob in the location of a source is a plain character in a folder's name.
    let escaped = url.as_str().replace('*', "%2A").replace('[', "%5B").replace(']', "%5D");
    Url::parse(&escaped).map(Location).map_err(|_| unfit())
}
