//! Lists the standard SQL models and their cases, so that the binary holds them and `lifecycle init` can write them out.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    for folder in ["sql", "tests/sql"] {
        println!("cargo:rerun-if-changed={folder}");
        let path = root.join(folder);
        if path.is_dir() {
            collect(&path, &mut files)?;
        } else {
            println!("cargo:warning=there is no folder {folder}/: the binary will not hold its files");
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let name = name.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string()).map_err(io::Error::other)?;
    }
    list.push(']');
    std::fs::write(PathBuf::from(variable("OUT_DIR")?).join("standard_models.rs"), list)
}

/// Adds the models, their YAML, the cases, the seeds and the notes of a folder and those below it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ["sql", "yaml", "csv", "md"].iter().any(|kept| ending == *kept))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(io::Error::other)
}
