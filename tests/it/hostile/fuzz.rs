//! Damaged text files, thousands of them: what lands and what is refused is what a slow, simple reader says, row by row.

use std::time::{Duration, Instant};

use lifecycle::config::Source;
use lifecycle::land::ReadSizes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fuzz_files::{File, random_file, random_source};
use super::slow::{self, Refused};
use crate::land::Zone;

/// Files that are landed at once.
const AT_ONCE: usize = 20;
/// A landing of so few small files takes a hundredth of this.
const LONGEST: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub struct Tally {
    pub files: usize,
    pub rows: usize,
    pub rejected: usize,
    pub violations: Vec<String>,
}

/// How a landing reads.
#[derive(Clone, Copy)]
struct Setting {
    sizes: ReadSizes,
    parallelism: usize,
}

/// What a landing and the slow reader made of some files, in one form.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    rows: Vec<String>,
    rejected: Vec<(String, Refused)>,
}

fn expected(source: &Source, files: &[File], limit: usize) -> Seen {
    let (mut rows, mut rejected) = (Vec::new(), Vec::new());
    for file in files {
        let (text, is_broken) = slow::unpack(&file.bytes, file.compression);
        let outcome = slow::read(source, &text, is_broken, limit);
        rows.extend(outcome.rows.iter().map(|(line, cells)| format!("{}|{line}|{}", file.name, cells.join("|"))));
        rejected.extend(outcome.rejected.into_iter().map(|refused| (file.name.clone(), refused)));
    }
    rows.sort();
    rejected.sort_by(|one, other| (&one.0, one.1.line, one.1.offset).cmp(&(&other.0, other.1.line, other.1.offset)));
    Seen { rows, rejected }
}

/// Lands the files; an error says what the promise is that was broken.
async fn landed(source: &Source, files: &[File], setting: Setting, expected: &Seen) -> Result<Seen, String> {
    let mut zone = Zone::new();
    zone.sizes.read = setting.sizes;
    zone.sizes.buffer_bytes = 1 << 16;
    zone.parallelism = setting.parallelism;
    for file in files {
        zone.put(&file.name, &file.bytes);
    }
    let landing = tokio::time::timeout(LONGEST, zone.try_land(source)).await;
    let report = landing.map_err(|_| "it hangs".to_owned())?.map_err(|error| format!("it fails: {error:?}"))?;
    for object in &report.objects {
        if object.rows_in != object.landed + object.rejected {
            return Err(format!("{object:?} loses rows"));
        }
    }
    let mut names = vec!["_object", "_line"];
    names.extend(source.columns.iter().map(|column| column.name.as_str()));
    let rows = zone.rows_with(source, &names).await;
    let mut rejected: Vec<(String, Refused)> = zone
        .rejected(source)
        .await
        .into_iter()
        .map(|row| {
            let refused = Refused { line: row.line, offset: row.offset.unwrap(), raw: Some(row.raw) };
            (row.object, refused)
        })
        .collect();
    rejected.sort_by(|one, other| (&one.0, one.1.line, one.1.offset).cmp(&(&other.0, other.1.line, other.1.offset)));
    // Not every text is kept whole.
    for (found, wanted) in rejected.iter_mut().zip(&expected.rejected) {
        if wanted.1.raw.is_none() {
            found.1.raw = None;
        }
    }
    if rows.len() + rejected.len() != report.rows_in() as usize {
        return Err("rows in are not rows out".to_owned());
    }
    Ok(Seen { rows, rejected })
}

fn check(source: &Source, files: &[File], setting: Setting) -> Result<Seen, String> {
    let expected = expected(source, files, setting.sizes.record_bytes);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let found = runtime.block_on(landed(source, files, setting, &expected));
    runtime.shutdown_background();
    let found = found?;
    if found == expected {
        return Ok(found);
    }
    let only = |these: &Seen, those: &Seen| {
        let rows: Vec<_> = these.rows.iter().filter(|row| !those.rows.contains(row)).take(3).cloned().collect();
        let rejected: Vec<_> =
            these.rejected.iter().filter(|row| !those.rejected.contains(row)).take(3).cloned().collect();
        format!("{rows:?} {rejected:?}")
    };
    Err(format!("landed only: {}\n   expected only: {}", only(&found, &expected), only(&expected, &found)))
}

/// Makes a failing file smaller, as long as it fails.
fn shrink(source: &Source, file: &File, setting: Setting) -> File {
    let mut smallest = file.clone();
    let (mut piece, mut tries) = (smallest.bytes.len() / 2, 300);
    while piece > 0 && tries > 0 {
        let mut at = 0;
        while at < smallest.bytes.len() && tries > 0 {
            tries -= 1;
            let mut smaller = smallest.clone();
            smaller.bytes.drain(at..(at + piece).min(smaller.bytes.len()));
            if check(source, std::slice::from_ref(&smaller), setting).is_err() {
                smallest = smaller;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    smallest
}

pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Lands so many damaged files, a few at once, each few under a contract of their own.
pub fn fuzz(files: usize, first_seed: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in first_seed.. {
        if tally.files >= files || tally.violations.len() >= 5 {
            break;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let source = random_source(&mut random);
        let block_bytes = [1, 2, 7, 64, 500, 1 << 20][random.random_range(0..6)];
        let record_bytes = [16 << 20, 16 << 20, 1, 20, 90, 200][random.random_range(0..6)];
        let sizes = ReadSizes { block_bytes, record_bytes };
        let setting = Setting { sizes, parallelism: random.random_range(1..4) };
        let mut batch: Vec<File> = Vec::new();
        for number in 0..AT_ONCE {
            let other = batch.last().map(|file| file.bytes.clone()).unwrap_or_default();
            batch.push(random_file(&mut random, &source, number, &other));
        }
        tally.files += batch.len();
        match check(&source, &batch, setting) {
            Ok(seen) => {
                tally.rows += seen.rows.len() + seen.rejected.len();
                tally.rejected += seen.rejected.len();
            }
            Err(together) => {
                let alone = batch.iter().find(|file| check(&source, std::slice::from_ref(*file), setting).is_err());
                let shown = match alone {
                    None => format!("only together: {together}"),
                    Some(file) => {
                        let small = shrink(&source, file, setting);
                        let why = check(&source, std::slice::from_ref(&small), setting).expect_err("it fails");
                        let (text, is_broken) = slow::unpack(&small.bytes, small.compression);
                        format!(
                            "{} {}\n   {:?} unpacked, broken: {is_broken}\n   {why}",
                            small.name,
                            base64(&small.bytes),
                            String::from_utf8_lossy(&text)
                        )
                    }
                };
                let (format, policy) = (&source.format, source.unknown_columns);
                tally.violations.push(format!("seed {seed}, {format:?}, {policy:?}, {sizes:?}: {shown}"));
            }
        }
    }
    tally
}

#[test]
fn what_lands_of_damaged_files_is_what_a_slow_reader_says() {
    let tally = fuzz(300, 1_000_000);
    assert!(tally.violations.is_empty(), "{}", tally.violations.join("\n"));
    // The damage leaves something to land, and is damage.
    assert!(tally.rows > 1000 && tally.rejected > 500, "{tally:?}");
}

#[test]
#[ignore = "long: 12,000 files"]
fn what_lands_of_many_damaged_files_is_what_a_slow_reader_says() {
    let started = Instant::now();
    let tally = fuzz(12_000, 1);
    println!(
        "fuzzed text: {} files, {} rows, {} rejected, {} violations in {:.0} s",
        tally.files,
        tally.rows,
        tally.rejected,
        tally.violations.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(tally.violations.is_empty(), "{}", tally.violations.join("\n"));
}

#[test]
fn the_slow_reader_knows_the_rules() {
    use lifecycle::config::Format;

    use crate::land::csv_format;
    let source = Source { format: csv_format(), ..random_source(&mut ChaCha8Rng::seed_from_u64(0)) };
    let text = b"id,Note\n1,\"a, \"\"b\"\"\"\r\n\n2,\"open\n3,x\n4,\"e\" f\nx,y\n5\n";
    let outcome = slow::read(&source, text, false, 1 << 20);
    let lines: Vec<u64> = outcome.rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 5]);
    assert_eq!(outcome.rows[0].1, ["1", "-", "a, \"b\"", "-", "-", "-", "-", "-"]);
    let refused: Vec<_> = outcome.rejected.iter().map(|row| (row.line, row.offset, row.raw.clone().unwrap())).collect();
    let places = [(4, 23, "2,\"open"), (6, 35, "4,\"e\" f"), (7, 43, "x,y"), (8, 47, "5")];
    assert_eq!(refused, places.map(|(line, offset, raw)| (line, offset, raw.to_owned())));
    let source = Source { format: Format::NdJson, ..source };
    let text = b"{\"id\":1,\"score\":1e400}\n{\"id\":2,\"flag\":true}\n{\"id\":3,\"id\":4}\n{\"id\":[5]}\n{\"id\":6,\"day\":\"2024-02-2";
    let outcome = slow::read(&source, text, true, 1 << 20);
    assert_eq!(outcome.rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    assert_eq!(outcome.rejected.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3, 4, 5]);
}

/// Damage that a decoder sees only at the end of a frame: what it gave before that is landed, however the bytes arrive.
#[test]
fn how_much_of_a_damaged_frame_is_landed_does_not_depend_on_blocks() {
    let source = Source {
        format: lifecycle::config::Format::NdJson,
        ..crate::land::feed("*", lifecycle::config::Format::NdJson, super::fuzz_files::columns())
    };
    // Several blocks of a frame, of which the last is found to be wrong.
    let text: String = (0..30_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let mut packed = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
    // The frame's own count of what it holds is one too many.
    let (magic, count) = packed.split_at_mut(5);
    assert_eq!((magic[4] >> 6, magic[4] >> 5 & 1), (2, 1), "four bytes of content size, no window");
    count[0] = count[0].wrapping_add(1);
    let file = File { name: "a.zst".to_owned(), compression: lifecycle::config::Compression::Zstd, bytes: packed };
    let mut outcomes = Vec::new();
    for block_bytes in [97, 10_000, 1 << 20] {
        let sizes = ReadSizes { block_bytes, record_bytes: 1 << 20 };
        let seen = check(&source, std::slice::from_ref(&file), Setting { sizes, parallelism: 1 });
        let seen = seen.unwrap_or_else(|why| panic!("{why}"));
        outcomes.push((seen.rows.len(), seen.rejected.len()));
    }
    assert!((10_000..30_000).contains(&outcomes[0].0), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| *outcome == (outcomes[0].0, 1)), "{outcomes:?}");
}
