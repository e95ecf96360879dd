//! Doctor's checks of the machine: memory and disks.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::numbers;
use crate::config::{Environment, StateLocation};

/// Less free space than this is worth a warning.
const LITTLE_SPACE: u64 = 5_000_000_000;

/// Compares the memory limit with what the machine, or the container, has.
pub(super) fn check_memory(environment: &Environment) -> Finding {
    const NAME: &str = "memory";
    let limit = numbers::bytes(environment.memory_limit);
    match machine_memory() {
        None => Finding::ok(NAME, format!("limit {limit}; the machine does not say how much it has")),
        Some(memory) if environment.memory_limit > memory / 10 * 8 => Finding::warning(
            NAME,
            format!("limit {limit} of {}", numbers::bytes(memory)),
            "set memory_limit to 80 % of the machine's memory or less: the system needs some too",
        ),
        Some(memory) => Finding::ok(NAME, format!("limit {limit} of {}", numbers::bytes(memory))),
    }
}

/// Bytes of memory that this process may use; `None` where the system does not say.
#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    let installed = std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(read_meminfo);
    let container =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    installed.into_iter().chain(container).min()
}

/// Bytes of memory that this process may use; `None` where the system does not say.
#[cfg(not(target_os = "linux"))]
fn machine_memory() -> Option<u64> {
    let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// `MemTotal:  16384 kB`, in bytes.
#[cfg(target_os = "linux")]
fn read_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Free space where work spills, where state lies, and under a local warehouse.
pub(super) async fn check_disks(environment: &Environment) -> Vec<Finding> {
    let mut places = vec![("spill space", std::env::temp_dir())];
    if let StateLocation::File(file) = &environment.state {
        places.push(("state space", folder_of(file)));
    }
    if let Ok(warehouse) = environment.warehouse.0.to_file_path() {
        places.push(("warehouse space", warehouse));
    }
    let mut findings = Vec::new();
    for (name, place) in places {
        findings.push(match free_space(&place).await {
            None => Finding::ok(name, format!("{}: the system does not say how much is free", place.display())),
            Some(free) if free < LITTLE_SPACE => Finding::warning(
                name,
                format!("{}: {} free", place.display(), numbers::bytes(free)),
                "free some space: large sorts and joins spill to disk, and tables keep old versions",
            ),
            Some(free) => Finding::ok(name, format!("{}: {} free", place.display(), numbers::bytes(free))),
        });
    }
    findings
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Free bytes for this user, from POSIX `df`: the standard library has no call for it.
async fn free_space(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let output = tokio::process::Command::new("df").arg("-Pk").arg(existing).output().await.ok()?;
    read_df(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth column of the second line, in kibibytes.
fn read_df(text: &str) -> Option<u64> {
    let kibibytes = text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()?;
    kibibytes.checked_mul(1024)
}
