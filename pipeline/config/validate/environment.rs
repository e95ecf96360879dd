//! `config/<name>.yaml`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

use super::notify::{validate_openlineage, validate_smtp};
use super::parameters::environment_parameters;
use super::schedule::parse_zone;
use super::state::validate_state;
use crate::config::document::Findings;
use crate::config::location::{absolute, parse_location};
use crate::config::raw::{AnyText, RawEnvironment, Text};
use crate::config::text::{Unfit, did_you_mean, parse_bytes, parse_duration};
use crate::config::yaml::{Entries, Placed};
use crate::config::{Environment, Location, Parameters};

/// What could be read of an environment.
#[derive(Debug, Default)]
pub(crate) struct CheckedEnvironment {
    /// `None` where something that it needs is missing or wrong.
    pub environment: Option<Environment>,
    pub raw: Option<Location>,
    pub parameters: Parameters,
    /// The SQL roots as written and as absolute folders; those that do not exist are left out.
    pub sql_roots: Vec<(PathBuf, PathBuf)>,
    /// Not all SQL roots could be found, so models may be missing.
    pub misses_sql: bool,
    /// Whether there is a server for e-mails, right or wrong.
    pub has_smtp: bool,
}

/// Validates an environment. `root` is absolute; `is_folder` tells whether a folder exists.
pub(crate) fn validate_environment(
    findings: &mut Findings,
    raw: &RawEnvironment,
    name: &str,
    root: &Path,
    is_folder: &dyn Fn(&Path) -> bool,
) -> CheckedEnvironment {
    let mut location = |key: &str, text: &Option<Text>| {
        text.as_ref().and_then(|text| findings.parse(key, text, |text| parse_location(text, root)))
    };
    let raw_location = location("raw", &raw.raw);
    let warehouse = location("warehouse", &raw.warehouse);
    if let (Some(raw_location), Some(warehouse), Some(text)) = (&raw_location, &warehouse, &raw.warehouse)
        && overlap(raw_location, warehouse)
    {
        let message = "`warehouse` and `raw` lie in one another, expected two places";
        findings.report(text.place, message, Some("tables would be listed as raw objects".to_owned()));
    }
    let state = raw.state.as_ref().and_then(|text| validate_state(findings, text, root));
    let timezone = raw.timezone.as_ref().and_then(|text| findings.parse("timezone", text, parse_zone));
    let currency = raw.currency.as_ref().and_then(|text| findings.parse("currency", text, parse_currency));
    let memory_limit =
        raw.memory_limit.as_ref().and_then(|text| findings.parse("memory_limit", text, parse_memory_limit));
    let lease = raw.lease.as_ref().and_then(|text| findings.parse("lease", text, parse_lease));
    let store_patience =
        raw.store_patience.as_ref().and_then(|text| findings.parse("store_patience", text, parse_store_patience));
    let sql_roots = sql_roots(findings, raw.sql.as_deref(), root, is_folder);
    let parameters = environment_parameters(findings, &raw.parameters);
    let storage = storage(findings, &raw.storage);
    let smtp = raw.smtp.as_ref().and_then(|smtp| validate_smtp(findings, smtp));
    let openlineage = raw.openlineage.as_ref().and_then(|raw| validate_openlineage(findings, raw, root));
    let environment = (|| {
        Some(Environment {
            name: name.to_owned(),
            raw: raw_location.clone()?,
            warehouse: warehouse?,
            state: state?,
            timezone: timezone?,
            currency: currency?,
            memory_limit: memory_limit.unwrap_or(DEFAULT_MEMORY_LIMIT),
            parallelism: raw.parallelism.as_ref().map_or_else(cores, |count| count.value as usize),
            lease: lease.unwrap_or(DEFAULT_LEASE),
            backfill_parallel: raw
                .backfill
                .parallel
                .as_ref()
                .map_or(DEFAULT_BACKFILL_PARALLEL, |count| count.value.into()),
            store_patience: store_patience.unwrap_or(DEFAULT_STORE_PATIENCE),
            sql: sql_roots.iter().map(|(_, folder)| folder.clone()).collect(),
            parameters: parameters.clone(),
            storage,
            smtp,
            openlineage,
        })
    })();
    let misses_sql = raw.sql.as_ref().is_some_and(|written| written.len() != sql_roots.len());
    let has_smtp = raw.smtp.is_some();
    CheckedEnvironment { environment, raw: raw_location, parameters, sql_roots, misses_sql, has_smtp }
}

const DEFAULT_MEMORY_LIMIT: u64 = 2 << 30;
const LEAST_MEMORY_LIMIT: u64 = 64 << 20;
const DEFAULT_LEASE: Duration = Duration::from_secs(60);
const DEFAULT_BACKFILL_PARALLEL: u64 = 64;
const LEAST_LEASE: Duration = Duration::from_secs(1);
const DEFAULT_STORE_PATIENCE: Duration = Duration::from_secs(120);
const LEAST_STORE_PATIENCE: Duration = Duration::from_millis(100);

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn overlap(one: &Location, other: &Location) -> bool {
    let (one, other) = (format!("{}/", one.0), format!("{}/", other.0));
    one.starts_with(&other) || other.starts_with(&one)
}

fn parse_currency(text: &str) -> Result<String, Unfit> {
    if text.len() == 3 && text.chars().all(|character| character.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    let unfit = Unfit::new("three capital letters of ISO 4217 such as `GBP`");
    Err(match text.trim() {
        letters if letters.len() == 3 && letters.chars().all(|character| character.is_ascii_alphabetic()) => {
            unfit.hint(format!("did you mean `{}`?", letters.to_ascii_uppercase()))
        }
        "€" => unfit.hint("did you mean `EUR`?"),
        "£" => unfit.hint("did you mean `GBP`?"),
        _ => unfit,
    })
}

fn parse_memory_limit(text: &str) -> Result<u64, Unfit> {
    let bytes = parse_bytes(text)?;
    if bytes < LEAST_MEMORY_LIMIT {
        return Err(Unfit::new("at least `64MiB`"));
    }
    Ok(bytes)
}

fn parse_lease(text: &str) -> Result<Duration, Unfit> {
    let lease = parse_duration(text)?;
    if lease < LEAST_LEASE { Err(Unfit::new("at least `1s`")) } else { Ok(lease) }
}

fn parse_store_patience(text: &str) -> Result<Duration, Unfit> {
    let patience = parse_duration(text)?;
    if patience < LEAST_STORE_PATIENCE { Err(Unfit::new("at least `100ms`")) } else { Ok(patience) }
}

fn sql_roots(
    findings: &mut Findings,
    written: Option<&[Text]>,
    root: &Path,
    is_folder: &dyn Fn(&Path) -> bool,
) -> Vec<(PathBuf, PathBuf)> {
    let Some(written) = written else {
        // A project that only lands raw objects has no SQL.
        let folder = root.join("sql");
        return if is_folder(&folder) { vec![(PathBuf::from("sql"), folder)] } else { Vec::new() };
    };
    let mut roots: Vec<(PathBuf, PathBuf)> = Vec::new();
    for text in written {
        let folder = absolute(root, &text.value);
        if text.value.trim().is_empty() || !is_folder(&folder) {
            let message = format!("`sql` names `{}`, which is not a folder", text.shown());
            findings.report(text.place, message, Some("paths are relative to the project's folder".to_owned()));
        } else if roots.iter().any(|(_, other)| *other == folder) {
            findings.report(text.place, format!("`sql` names `{}` twice", text.shown()), None);
        } else {
            roots.push((PathBuf::from(&text.value), folder));
        }
    }
    roots
}

/// The options that people write; any that object_store knows is accepted.
const COMMON_OPTIONS: [&str; 19] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint",
    "aws_allow_http",
    "aws_virtual_hosted_style_request",
    "aws_skip_signature",
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_storage_sas_key",
    "allow_http",
    "timeout",
];

fn storage(findings: &mut Findings, raw: &Entries<Placed<AnyText>>) -> std::collections::BTreeMap<String, String> {
    let mut options = std::collections::BTreeMap::new();
    for (name, value) in &raw.0 {
        let lower = name.value.to_ascii_lowercase();
        if !is_store_option(&lower) {
            let hint = did_you_mean(&lower, COMMON_OPTIONS);
            let message =
                format!("unknown option `{}`, expected one of object_store's such as `aws_region`", name.value);
            findings.report_unshown(name.place, message, hint);
        } else if is_secret_option(&lower) && !value.is_secret() {
            let message = format!("`{}` is a secret, expected `${{env:NAME}}`", name.value);
            let hint = format!("write `{}: ${{env:{}}}`", name.value, lower.to_ascii_uppercase());
            findings.report_unshown(value.place, message, Some(hint));
        }
        options.insert(lower, value.value.0.clone());
    }
    options
}

fn is_store_option(name: &str) -> bool {
    name.parse::<AmazonS3ConfigKey>().is_ok()
        || name.parse::<GoogleConfigKey>().is_ok()
        || name.parse::<AzureConfigKey>().is_ok()
        || name.parse::<ClientConfigKey>().is_ok()
}

fn is_secret_option(name: &str) -> bool {
    let is_place = ["_file", "_url", "_path", "_endpoint"].iter().any(|ending| name.ends_with(ending));
    let is_secret = ["secret", "password", "token", "sas", "key_base64"].iter().any(|part| name.contains(part));
    !is_place && (is_secret || name.ends_with("_key"))
}
