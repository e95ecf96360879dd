//! Who is told of what, and by which servers.

use std::path::Path;
use std::time::Duration;

use lettre::message::Mailbox;
use url::Url;

use super::environment::CheckedEnvironment;
use crate::config::document::Findings;
use crate::config::location::parse_location;
use crate::config::raw::{RawNotify, RawNotifyTarget, RawOpenLineage, RawSmtp, Text};
use crate::config::text::{Unfit, parse_duration};
use crate::config::yaml::Placed;
use crate::config::{LineageTarget, Notify, NotifyTarget, OpenLineage, Smtp, SmtpLogin, SmtpTls};

/// Reads who is told of a job.
pub(super) fn validate_notify(findings: &mut Findings, raw: &RawNotify, environment: &CheckedEnvironment) -> Notify {
    let mut targets = |raw: &[Placed<RawNotifyTarget>]| {
        raw.iter().filter_map(|target| validate_target(findings, target, environment)).collect::<Vec<_>>()
    };
    Notify {
        on_failure: targets(&raw.on_failure),
        on_recovery: targets(&raw.on_recovery),
        on_missed: targets(&raw.on_missed),
        on_stale: targets(&raw.on_stale),
    }
}

fn validate_target(
    findings: &mut Findings,
    target: &Placed<RawNotifyTarget>,
    environment: &CheckedEnvironment,
) -> Option<NotifyTarget> {
    match (&target.value.webhook, &target.value.email) {
        (Some(webhook), None) => findings.parse("webhook", webhook, parse_url).map(NotifyTarget::Webhook),
        (None, Some(addresses)) => {
            // Where the environment cannot be read, that has been reported.
            if environment.environment.is_some() && !environment.has_smtp {
                let message = "`email` needs a server, but the environment has no `smtp`";
                let hint = "add `smtp: {host: …, from: …}` to the environment's file under config/";
                findings.report(target.place, message, Some(hint.to_owned()));
            }
            if addresses.is_empty() {
                findings.report(target.place, "`email` names nobody, expected a list of addresses", None);
                return None;
            }
            let read: Vec<Option<String>> =
                addresses.iter().map(|address| findings.parse("email", address, parse_address)).collect();
            read.into_iter().collect::<Option<Vec<_>>>().map(NotifyTarget::Email)
        }
        (Some(_), Some(_)) => {
            let message = "a target is either a `webhook` or an `email`, expected one of them";
            findings.report(target.place, message, Some("write two targets".to_owned()));
            None
        }
        // What was written may have been left out because it was wrong, which has been reported.
        (None, None) => {
            if findings.problems.is_empty() {
                let message = "the target is empty, expected `webhook: URL` or `email: [ADDRESS]`";
                findings.report(target.place, message, None);
            }
            None
        }
    }
}

/// Reads how old a job's data may become.
pub(super) fn validate_freshness(findings: &mut Findings, raw: Option<&Text>) -> Option<Duration> {
    findings.parse("freshness", raw?, |text| match parse_duration(text)? {
        Duration::ZERO => Err(Unfit::new("a duration such as `36h`")),
        target => Ok(target),
    })
}

/// Reads the server that sends e-mails.
pub(super) fn validate_smtp(findings: &mut Findings, raw: &RawSmtp) -> Option<Smtp> {
    let host = raw.host.as_ref().and_then(|host| findings.parse("host", host, parse_host));
    let from = raw.from.as_ref().and_then(|from| findings.parse("from", from, parse_address));
    let tls = raw.tls.unwrap_or(SmtpTls::Starttls);
    let login = match (&raw.user, &raw.password) {
        (Some(user), Some(password)) => {
            require_secret(findings, "password", password, "SMTP_PASSWORD");
            Some(SmtpLogin { user: user.value.clone(), password: password.value.clone() })
        }
        (None, None) => None,
        (Some(one), None) => {
            findings.report(one.place, "`user` without a `password` cannot sign in", None);
            None
        }
        (None, Some(one)) => {
            findings.report_unshown(one.place, "`password` without a `user` cannot sign in", None);
            None
        }
    };
    let default_port = match tls {
        SmtpTls::Starttls => 587,
        SmtpTls::Tls => 465,
        SmtpTls::None => 25,
    };
    let port = raw.port.as_ref().map_or(default_port, |port| u16::try_from(port.value).unwrap_or(default_port));
    Some(Smtp { host: host?, port, tls, login, from: from? })
}

/// Reads where OpenLineage events go.
pub(super) fn validate_openlineage(
    findings: &mut Findings,
    raw: &Placed<RawOpenLineage>,
    root: &Path,
) -> Option<OpenLineage> {
    let RawOpenLineage { url, api_key, folder, namespace } = &raw.value;
    if let Some(key) = api_key {
        require_secret(findings, "api_key", key, "OPENLINEAGE_API_KEY");
    }
    let target = match (url, folder) {
        (Some(url), None) => {
            let api_key = api_key.as_ref().map(|key| key.value.clone());
            findings.parse("url", url, parse_url).map(|url| LineageTarget::Url { url, api_key })
        }
        (None, Some(folder)) => {
            findings.parse("folder", folder, |text| parse_location(text, root)).map(LineageTarget::Folder)
        }
        (Some(_), Some(_)) => {
            findings.report(raw.place, "`openlineage` has a `url` and a `folder`, expected one of them", None);
            None
        }
        (None, None) => {
            findings.report(raw.place, "`openlineage` needs a `url` or a `folder`", None);
            None
        }
    };
    let namespace = namespace.as_ref().map_or_else(|| "lifecycle".to_owned(), |namespace| namespace.value.clone());
    Some(OpenLineage { target: target?, namespace })
}

fn require_secret(findings: &mut Findings, key: &str, text: &Text, variable: &str) {
    if !text.is_secret() {
        let message = format!("`{key}` is a secret, expected `${{env:NAME}}`");
        findings.report_unshown(text.place, message, Some(format!("write `{key}: ${{env:{variable}}}`")));
    }
}

fn parse_url(text: &str) -> Result<String, Unfit> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.map(String::from).ok_or_else(|| Unfit::new("a URL that begins with `https://`"))
}

fn parse_host(text: &str) -> Result<String, Unfit> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    if text.is_empty() || !text.chars().all(is_name) {
        return Err(Unfit::new("the name of a server such as `smtp.example.com`"));
    }
    Ok(text.to_owned())
}

fn parse_address(text: &str) -> Result<String, Unfit> {
    match text.parse::<Mailbox>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Unfit::new("an address such as `ann@example.com` or `Ann <ann@example.com>`")),
    }
}
