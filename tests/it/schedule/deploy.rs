//! The examples under `config/deploy/`: well-formed, complete, and with command lines that the program takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use lifecycle::cli::arguments::{Arguments, Command, DaemonArguments, ScheduleCommand};
use serde_yaml::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap()
}

/// The value at a path such as `spec.template.spec.containers.0`.
#[track_caller]
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| {
        let found = match key.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(key),
        };
        found.unwrap_or_else(|| panic!("`{key}` of {path}"))
    })
}

#[track_caller]
fn word<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is a text"))
}

#[track_caller]
fn number(value: &Value, path: &str) -> u64 {
    at(value, path).as_u64().unwrap_or_else(|| panic!("{path} is a number"))
}

fn schedule(command: &[String]) -> (DaemonArguments, Option<ScheduleCommand>) {
    let arguments = Arguments::try_parse_from(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_eq!(arguments.global.environment, "production");
    match arguments.command {
        Command::Schedule(schedule) => (schedule.daemon, schedule.command),
        other => panic!("{other:?}"),
    }
}

/// The command line of a container.
fn command_line(container: &Value) -> Vec<String> {
    let words = |key: &str| at(container, key).as_sequence().unwrap().iter();
    words("command").chain(words("args")).map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// What both workloads promise about their pods.
fn check_pod(spec: &Value) {
    assert_eq!(at(spec, "securityContext.runAsNonRoot"), &Value::Bool(true));
    assert_eq!(word(spec, "securityContext.seccompProfile.type"), "RuntimeDefault");
    assert_eq!(at(spec, "automountServiceAccountToken"), &Value::Bool(false));
    let container = at(spec, "containers.0");
    assert_eq!(at(container, "securityContext.readOnlyRootFilesystem"), &Value::Bool(true));
    assert_eq!(at(container, "securityContext.allowPrivilegeEscalation"), &Value::Bool(false));
    assert_eq!(word(container, "securityContext.capabilities.drop.0"), "ALL");
    assert!(word(container, "image").split_once(':').is_some_and(|(_, tag)| tag != "latest"));
    word(container, "resources.requests.memory");
    word(container, "resources.limits.memory");
    // The root is read-only, so results spill to a volume.
    let spill = word(container, "volumeMounts.0.mountPath");
    assert_eq!((word(container, "env.0.name"), word(container, "env.0.value")), ("TMPDIR", spill));
    assert_eq!(word(container, "volumeMounts.0.name"), word(spec, "volumes.0.name"));
    at(spec, "volumes.0.emptyDir");
    assert_eq!(word(container, "envFrom.0.secretRef.name"), word(&yaml("secret.example.yaml"), "metadata.name"));
}

#[test]
fn the_deployment_runs_the_daemon() {
    let deployment = yaml("deployment.yaml");
    assert_eq!((word(&deployment, "apiVersion"), word(&deployment, "kind")), ("apps/v1", "Deployment"));
    word(&deployment, "metadata.name");
    assert!(number(&deployment, "spec.replicas") >= 2);
    assert_eq!(at(&deployment, "spec.selector.matchLabels"), at(&deployment, "spec.template.metadata.labels"));
    let spec = at(&deployment, "spec.template.spec");
    check_pod(spec);
    let container = at(spec, "containers.0");
    let (daemon, command) = schedule(&command_line(container));
    assert!(command.is_none());
    let grace = Duration::from_secs(number(spec, "terminationGracePeriodSeconds"));
    assert!(grace > daemon.grace, "{grace:?}");
    // Who looks at its health finds it.
    let port = number(container, "ports.0.containerPort");
    let listen = daemon.listen.unwrap();
    assert!(listen.ip().is_unspecified() && u64::from(listen.port()) == port);
    let annotations = at(&deployment, "spec.template.metadata.annotations");
    assert_eq!(annotations.get("prometheus.io/port").unwrap().as_str().unwrap(), port.to_string());
    for (probe, path) in [("livenessProbe", "/healthz/live"), ("readinessProbe", "/healthz")] {
        let get = at(container, probe).get("httpGet").unwrap();
        assert_eq!((word(get, "path"), word(get, "port")), (path, word(container, "ports.0.name")));
    }
}

#[test]
fn the_cron_job_looks_once() {
    let cron = yaml("cronjob.yaml");
    assert_eq!((word(&cron, "apiVersion"), word(&cron, "kind")), ("batch/v1", "CronJob"));
    word(&cron, "metadata.name");
    assert_eq!(word(&cron, "spec.concurrencyPolicy"), "Forbid");
    assert!(lifecycle::config::cron_parser().parse(word(&cron, "spec.schedule")).is_ok());
    assert!(word(&cron, "spec.timeZone").parse::<chrono_tz::Tz>().is_ok());
    let job = at(&cron, "spec.jobTemplate.spec");
    assert_eq!(number(job, "backoffLimit"), 0);
    let spec = at(job, "template.spec");
    assert_eq!(word(spec, "restartPolicy"), "Never");
    check_pod(spec);
    let (_, command) = schedule(&command_line(at(spec, "containers.0")));
    assert!(matches!(command, Some(ScheduleCommand::Tick)));
}

/// The variables that a text names as `${env:NAME}`.
fn variables(text: &str) -> BTreeSet<String> {
    text.split("${env:").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_secret_holds_what_the_configuration_reads() {
    let secret = yaml("secret.example.yaml");
    assert_eq!((word(&secret, "apiVersion"), word(&secret, "kind")), ("v1", "Secret"));
    let given: BTreeSet<String> =
        at(&secret, "stringData").as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.example.yaml");
    let example = std::fs::read_to_string(path).unwrap();
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let needed: String = example.lines().filter(|line| !is_comment(line)).map(|line| format!("{line}\n")).collect();
    let missing: Vec<_> = variables(&needed).difference(&given).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unknown: Vec<_> = given.difference(&variables(&example)).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The values of a key in a section of a unit file.
fn settings<'t>(unit: &'t str, section: &str, key: &str) -> Vec<&'t str> {
    let mut current = "";
    let mut found = Vec::new();
    for line in unit.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = name;
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("`{line}` is a setting"));
            if current == section && name == key {
                found.push(value);
            }
        }
    }
    found
}

#[test]
fn the_unit_runs_the_daemon_and_gives_it_time_to_end() {
    let unit = text("lifecycle.service");
    let one = |section: &str, key: &str| match settings(&unit, section, key)[..] {
        [value] => value,
        ref values => panic!("{key}: {values:?}"),
    };
    let command: Vec<String> = one("Service", "ExecStart").split(' ').map(str::to_owned).collect();
    assert!(command[0].starts_with('/'));
    let (daemon, subcommand) = schedule(&command);
    assert!(subcommand.is_none());
    assert!(daemon.listen.unwrap().ip().is_loopback());
    let minutes: u64 = one("Service", "TimeoutStopSec").strip_suffix("min").unwrap().parse().unwrap();
    assert!(Duration::from_secs(minutes * 60) > daemon.grace);
    assert_eq!(one("Service", "Restart"), "on-failure");
    assert_eq!(one("Service", "RestartPreventExitStatus"), "2");
    assert_eq!(one("Install", "WantedBy"), "multi-user.target");
    for hardening in ["NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"] {
        assert_eq!(one("Service", hardening), "yes");
    }
    assert_eq!((one("Service", "ProtectSystem"), one("Service", "CapabilityBoundingSet")), ("strict", ""));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("lifecycle.service");
    // The program must exist where the unit says.
    let text = text("lifecycle.service").replace("/usr/local/bin/lifecycle", env!("CARGO_BIN_EXE_lifecycle"));
    std::fs::write(&unit, text).unwrap();
    match std::process::Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("lifecycle.service:"), "{said}");
        }
        Err(_) => println!("skipped: this machine has no systemd"),
    }
}
