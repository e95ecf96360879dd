//! A drop zone ten times `memory_limit`: all of it is landed, sorted and published within the limit.

use std::fmt::Write as _;

use super::{Project, peak};

const MEBIBYTE: usize = 1 << 20;
/// What the process takes at least, whatever the limit: the binary, its threads, objects while they are read and written.
const LEAST: u64 = 500;
/// Numbers in a row's text.
const WORDS: u64 = 60;

/// Products are summed up to multiples of this: all of them would not fit into 64 bits.
const MODULUS: u64 = 1_000_003;

/// A number that looks like chance (splitmix64).
fn chance(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Writes objects until they hold ten times the limit; returns the first number of each row's text.
fn fill(project: &Project, limit: usize) -> Vec<u64> {
    let mut firsts = Vec::new();
    let mut bytes = 0;
    while bytes < 10 * limit * MEBIBYTE {
        let mut text = "id,label\n".to_owned();
        while text.len() < 4 * MEBIBYTE {
            let id = firsts.len() as u64;
            write!(text, "{id},").unwrap();
            for word in 0..WORDS {
                write!(text, "{:016x}", chance(id * WORDS + word)).unwrap();
            }
            text.push('\n');
            firsts.push(chance(id * WORDS));
        }
        bytes += text.len();
        project.write(&format!("raw/ids/{:05}.csv", firsts.len()), &text);
    }
    firsts
}

fn try_with(limit: usize) {
    let project = Project::new(&format!("{limit}MiB"));
    std::fs::remove_dir_all(project.0.path().join("raw")).unwrap();
    std::fs::remove_dir_all(project.0.path().join("sql")).unwrap();
    project.write(
        "jobs/nightly.yaml",
        "name: nightly\ndescription: More than fits.\nsources:\n  ids:\n    location: ${raw}/ids/*.csv\n    format: csv\n    \
         columns:\n      id: {type: integer, required: true}\n      label: {type: string, required: true}\nmodels: [marts]\n",
    );
    // All texts are sorted at once, and carried through.
    project.write(
        "sql/marts/places.sql",
        "select\n    id,\n    label,\n    row_number() over (order by label) as place\nfrom landed.ids\n",
    );
    project.model(
        "places",
        "id",
        "{name: id, type: integer, description: A number.}\n  - {name: label, type: string, description: Its text.}\n  \
         - {name: place, type: integer, description: Its place by text.}",
    );
    let firsts = fill(&project, limit);
    let mut command = project.command(&["-q", "run", "nightly", "--as-of", "2025-01-01"]);
    // As the examples of deployment set it: by default glibc keeps what each thread gave back.
    let (code, most) = peak(&mut command.env("MALLOC_ARENA_MAX", "2").spawn().unwrap());
    assert_eq!(code, Some(0));
    println!("{} rows, {} MiB under a limit of {limit} MiB: {most} MiB at most", firsts.len(), 10 * limit);

    let mut sorted: Vec<u64> = (0..firsts.len() as u64).collect();
    sorted.sort_by_key(|id| firsts[*id as usize]);
    let products: u64 = sorted.iter().zip(1..).map(|(id, place)| id * place % MODULUS).sum();
    let sums = format!(
        "select count(*) as rows, sum(id * place % {MODULUS}) as products, sum(length(label)) as letters from marts.places"
    );
    let (sums, _) = project.lifecycle(&["query", &sums, "-o", "csv"]);
    let letters = firsts.len() as u64 * WORDS * 16;
    assert_eq!(sums, format!("rows,products,letters\n{},{products},{letters}\n", firsts.len()));
    assert!(most < LEAST.max(limit as u64), "{most} MiB");
}

#[test]
fn a_drop_zone_ten_times_the_limit_is_landed_and_sorted_within_it() {
    try_with(64);
}

#[test]
#[ignore = "long: 5 GiB of text"]
fn a_large_drop_zone_ten_times_the_limit() {
    try_with(512);
}
