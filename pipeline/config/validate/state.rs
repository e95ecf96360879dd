//! `state` of an environment: a path, or the address of a PostgreSQL database.

use std::path::Path;

use crate::config::document::Findings;
use crate::config::location::absolute;
use crate::config::raw::Text;
use crate::config::text::{Unfit, did_you_mean, is_identifier};
use crate::config::{PostgresLocation, StateLocation};

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const TLS_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const TLS_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
const OPTIONS: [&str; 6] = ["schema", "sslmode", "sslrootcert", "sslcert", "sslkey", "host"];

/// Validates `state`. What is said about an address names no part of it: any of it may come from a variable.
pub(super) fn validate_state(findings: &mut Findings, text: &Text, root: &Path) -> Option<StateLocation> {
    let Some(address) = SCHEMES.iter().find_map(|scheme| text.value.strip_prefix(scheme)) else {
        return findings.parse("state", text, |text| parse_path(text, root));
    };
    // As written, with the variables unread.
    let written = SCHEMES.iter().find_map(|scheme| text.shown().strip_prefix(scheme));
    let password_is_from_a_variable = match written {
        Some(written) => split_login(written).1.is_none_or(|password| password.contains("${env:")),
        None => true,
    };
    if !password_is_from_a_variable {
        let message = "`state` holds a password, expected `${env:NAME}` in its place";
        let hint = "write `postgres://user:${env:LIFECYCLE_STATE_PASSWORD}@host:5432/database`";
        findings.report_unshown(text.place, message, Some(hint.to_owned()));
        return None;
    }
    // A variable that holds the password alone holds it as it is; in a URL it is escaped.
    let password_is_plain = written.is_some();
    match parse_address(address, password_is_plain) {
        Ok(location) => Some(StateLocation::Postgres(location)),
        Err(unfit) => {
            let message = format!("`state` is `{}`, expected {}", text.shown(), unfit.expected);
            findings.report(text.place, message, unfit.hint);
            None
        }
    }
}

fn parse_path(text: &str, root: &Path) -> Result<StateLocation, Unfit> {
    let unfit = || {
        Unfit::new("the path of an SQLite file on a local disk, or `postgres://user@host:5432/database`")
            .hint("such as `.lifecycle/state.db`")
    };
    if text.contains("://") || text.trim().is_empty() || text.ends_with('/') {
        return Err(unfit());
    }
    Ok(StateLocation::File(absolute(root, text)))
}

/// User, password, and what follows; a password may hold any letter, so the last `@` ends it.
fn split_login(address: &str) -> (Option<&str>, Option<&str>, &str) {
    match address.rsplit_once('@') {
        None => (None, None, address),
        Some((login, rest)) => match login.split_once(':') {
            None => (Some(login), None, rest),
            Some((user, password)) => (Some(user), Some(password), rest),
        },
    }
}

fn parse_address(address: &str, password_is_plain: bool) -> Result<PostgresLocation, Unfit> {
    let shape = || Unfit::new("`postgres://user:${env:NAME}@host:5432/database`");
    let (user, password, rest) = split_login(address);
    let user = user.filter(|user| !user.is_empty()).ok_or_else(|| shape().hint("name the user before an `@`"))?;
    let user = decode(user).ok_or_else(shape)?;
    let password = match password {
        Some(password) if !password_is_plain => Some(decode(password).ok_or_else(shape)?),
        password => password.map(str::to_owned),
    }
    .filter(|password| !password.is_empty());
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, database) = place.split_once('/').unwrap_or((place, ""));
    if database.is_empty() || database.contains('/') {
        return Err(shape().hint("name the database after the host and a `/`"));
    }
    let (host, port) = split_port(host)?;
    let mut location = PostgresLocation {
        user,
        password,
        host,
        port,
        database: decode(database).ok_or_else(shape)?,
        schema: PostgresLocation::DEFAULT_SCHEMA.to_owned(),
        tls: Vec::new(),
    };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        set_option(&mut location, name, decode(value).ok_or_else(shape)?)?;
    }
    if location.host.is_empty() {
        return Err(shape().hint("name the host after the `@`, or `host=/folder/of/the/socket` after a `?`"));
    }
    Ok(location)
}

fn split_port(text: &str) -> Result<(String, u16), Unfit> {
    let unfit = || Unfit::new("a port from 1 to 65535 after the host and a `:`").hint("such as `host:5432`");
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // An address of IPv6.
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.contains(',') {
        return Err(Unfit::new("one host").hint("give the name that leads to the primary server"));
    }
    let port = match port {
        None => 5432,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(unfit)?,
    };
    Ok((host.to_owned(), port))
}

fn set_option(location: &mut PostgresLocation, name: &str, value: String) -> Result<(), Unfit> {
    match name {
        "schema" if is_identifier(&value) && !value.starts_with("pg_") => location.schema = value,
        "schema" => return Err(Unfit::new("a plain name such as `lifecycle` as `schema`")),
        "sslmode" if TLS_MODES.contains(&value.as_str()) => location.tls.push((name.to_owned(), value)),
        "sslmode" => {
            let modes = TLS_MODES.map(|mode| format!("`{mode}`")).join(", ");
            return Err(Unfit {
                expected: format!("one of {modes} as `sslmode`"),
                hint: did_you_mean(&value, TLS_MODES),
            });
        }
        name if TLS_FILES.contains(&name) && !value.is_empty() => location.tls.push((name.to_owned(), value)),
        name if TLS_FILES.contains(&name) => return Err(Unfit::new(format!("the path of a file as `{name}`"))),
        "host" if location.host.is_empty() && value.starts_with('/') => location.host = value,
        "host" => return Err(Unfit::new("the folder of a Unix socket as `host`, and no host after the `@`")),
        name => {
            let known = OPTIONS.map(|option| format!("`{option}`")).join(", ");
            let unfit = Unfit::new(format!("no options but {known}"));
            return Err(match did_you_mean(name, OPTIONS) {
                Some(hint) => unfit.hint(hint),
                None => unfit,
            });
        }
    }
    Ok(())
}

/// Reads `%2F` and the like; `None` where that is no UTF-8 text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
