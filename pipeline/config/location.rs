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
/// Up to the last slash before the first of them it is percent-encoded; behind it is text to compare with the objects'
/// decoded paths. Without any of them all of it is percent-encoded.
pub(crate) fn parse_pattern(text: &str, raw: Option<&Location>, root: &Path) -> Result<String, Unfit> {
    if text.find("${raw}").is_some_and(|position| position > 0) {
        return Err(Unfit::new("`${raw}` at its start only"));
    }
    check_pattern(text)?;
    let (plain, pattern) = split_pattern(text);
    let base = if let Some(below) = text.strip_prefix("${raw}") {
        if !below.starts_with('/') {
            return Err(Unfit::new("a `/` and the objects' path after `${raw}`").hint("such as `${raw}/orders/*.csv`"));
        }
        // Where `raw` itself is wrong, that has been reported.
        let Some(raw) = raw else { return Ok(String::new()) };
        below_url(raw, plain.trim_start_matches("${raw}"))?
    } else if let Some(scheme) = scheme_of(text)? {
        let after = text.split_once("://").map_or("", |(_, after)| after);
        check_host(scheme, after.split('/').next().unwrap_or_default())?;
        let url = Url::parse(plain).map_err(|_| unfit())?;
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
            return Err(unfit().hint("write `#` as `%23`; credentials go into the environment's `storage`"));
        }
        url
    } else {
        path_url(&absolute(root, plain))?.0
    };
    let base = base.as_str().strip_suffix('/').unwrap_or(base.as_str());
    Ok(if pattern.is_empty() { base.to_owned() } else { format!("{base}/{pattern}") })
}

/// Splits behind the last slash before the first `{day}` or glob; the slash itself is left out.
fn split_pattern(text: &str) -> (&str, &str) {
    let below_raw = if text.starts_with("${raw}") { "${raw}".len() } else { 0 };
    let first = text[below_raw..].find(['*', '?', '[', '{']).map(|position| position + below_raw);
    match first.map(|first| text[..first].rfind('/')) {
        None => (text, ""),
        Some(None) => ("", text),
        Some(Some(0)) => ("/", &text[1..]),
        Some(Some(slash)) => (&text[..slash], &text[slash + 1..]),
    }
}

/// The URL with more segments, percent-encoded.
fn below_url(base: &Location, path: &str) -> Result<Url, Unfit> {
    let mut url = base.0.clone();
    url.path_segments_mut()
        .map_err(|()| unfit())?
        .pop_if_empty()
        .extend(path.split('/').filter(|segment| !segment.is_empty()));
    Ok(url)
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
