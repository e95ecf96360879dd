//! Files for the fuzz tests: what a system would drop, then damaged in every way that bytes can be.

use lifecycle::config::{ColumnContract, Compression, CsvOptions, DataType, Delimiter, Format, Source, UnknownColumns};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::land::{column, decimal, feed, gzip, required};

/// One file of a fuzz test.
#[derive(Clone)]
pub struct File {
    pub name: String,
    pub compression: Compression,
    pub bytes: Vec<u8>,
}

/// The columns of all fuzzed files: every type, and every way to be null or refused.
pub fn columns() -> Vec<ColumnContract> {
    let london = Some(chrono_tz::Tz::Europe__London);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        required("id", DataType::Integer),
        column("amount", decimal(9, 2)),
        ColumnContract { from: Some("Note".to_owned()), ..column("note", DataType::String) },
        column("flag", DataType::Boolean),
        column("day", DataType::Date),
        ColumnContract { timezone: london, ..column("at", DataType::Timestamp) },
        column("score", DataType::Double),
        ColumnContract {
            accepted_values: words(&["a", "b c", "ü"]),
            null_values: words(&["-", "n/a"]),
            ..column("kind", DataType::String)
        },
    ]
}

const NAMES: [&str; 8] = ["id", "amount", "Note", "flag", "day", "at", "score", "kind"];

/// A contract: how the files of one landing are to be read.
pub fn random_source(random: &mut ChaCha8Rng) -> Source {
    let policies = [UnknownColumns::Ignore, UnknownColumns::Reject, UnknownColumns::Add];
    let mut policy = policies[random.random_range(0..3)];
    let format = if random.random_bool(0.4) {
        Format::NdJson
    } else {
        let delimiters = [b',', b',', b';', b'\t', b'|'];
        let delimiter = match random.random_range(0..6) {
            5 => Delimiter::Whitespace,
            which => Delimiter::Byte(delimiters[which]),
        };
        let quote = [Some(b'"'), Some(b'"'), Some(b'\''), None][random.random_range(0..4)];
        let header = random.random_bool(0.8);
        if !header {
            policy = UnknownColumns::Ignore;
        }
        Format::Csv(CsvOptions { delimiter, header, quote })
    };
    Source { unknown_columns: policy, ..feed("*", format, columns()) }
}

fn pick<'w>(random: &mut ChaCha8Rng, words: &[&'w str]) -> &'w str {
    words[random.random_range(0..words.len())]
}

/// A value for a column: mostly good, sometimes on the edge, sometimes nonsense.
fn value(random: &mut ChaCha8Rng, column: usize) -> String {
    let dirt = [
        "x",
        "NaN",
        "1e400",
        "-inf",
        "--1",
        "1 2",
        "é",
        "\u{0}",
        "9999999999999999999999999999999999999999",
        "0x1f",
        " ",
    ];
    if random.random_bool(0.05) {
        return pick(random, &dirt).to_owned();
    }
    let number = random.random_range(0..100_000);
    match column {
        0 => match random.random_range(0..12) {
            0 => pick(
                random,
                &["+7", "7.0", "7e2", " 12 ", "-0", "9223372036854775807", "9223372036854775808", "", "1."],
            )
            .to_owned(),
            _ => number.to_string(),
        },
        1 => match random.random_range(0..8) {
            0 => pick(
                random,
                &["", "1.255", "1e2", "125e-2", ".5", "5.", "9999999.99", "10000000", "1.10000", "0e99999999"],
            )
            .to_owned(),
            _ => format!("{}.{:02}", number % 5000, number % 100),
        },
        2 => pick(
            random,
            &["", "plain", "a,b", "she said \"no\"", "two\nlines", "tab\there", "crlf\r\nend", "ünï", "'q'", "\\"],
        )
        .to_owned(),
        3 => pick(random, &["true", "FALSE", "t", "no", "1", "0", "", "2"]).to_owned(),
        4 => match random.random_range(0..8) {
            0 => pick(random, &["2023-02-29", "0000-12-31", "0001-01-01", "9999-12-31", "2024-2-9", "", "1900-02-29"])
                .to_owned(),
            _ => format!("2024-{:02}-{:02}", number % 12 + 1, number % 28 + 1),
        },
        5 => match random.random_range(0..5) {
            0 => pick(
                random,
                &[
                    "2024-03-31T01:30:00",
                    "2024-10-27T01:30:00",
                    "2024-06-01",
                    "2024-06-01T24:00:00",
                    "9999-12-31T23:59:59-01:00",
                    "0001-01-01T00:00:00+00:01",
                    "2024-06-01 12:00 UTC",
                    "2024-06-01T12:00:00.1234567+0530",
                    "2024-06-01T12:00:00,5Z",
                    "",
                ],
            )
            .to_owned(),
            _ => format!(
                "2024-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                number % 12 + 1,
                number % 28 + 1,
                number % 24,
                number % 60,
                number % 59
            ),
        },
        6 => match random.random_range(0..5) {
            0 => pick(random, &["1e-400", "1e308", "1e309", ".", "1_000", "-0.0", "", "5e-324"]).to_owned(),
            _ => format!("{}e-{}", number, number % 9),
        },
        _ => pick(random, &["a", "b c", "ü", "-", "n/a", "", "", "c"]).to_owned(),
    }
}

/// An undamaged text of some records.
pub fn random_text(random: &mut ChaCha8Rng, source: &Source) -> Vec<u8> {
    let mut text = Vec::new();
    if random.random_bool(0.1) {
        text.extend_from_slice(b"\xef\xbb\xbf");
    }
    let records = random.random_range(0..14);
    match &source.format {
        Format::Csv(options) => csv_text(random, options, records, &mut text),
        _ => json_text(random, records, &mut text),
    }
    text
}

fn csv_text(random: &mut ChaCha8Rng, options: &CsvOptions, records: usize, text: &mut Vec<u8>) {
    let delimiter = match options.delimiter {
        Delimiter::Byte(byte) => char::from(byte).to_string(),
        Delimiter::Whitespace => " ".to_owned(),
    };
    let quote = options.quote.map(char::from);
    let end = if random.random_bool(0.3) { "\r\n" } else { "\n" };
    let mut order: Vec<usize> = (0..8).collect();
    if options.header {
        let last = order.len();
        order.swap(random.random_range(0..last), random.random_range(0..last));
        let mut names: Vec<String> = order.iter().map(|column| NAMES[*column].to_owned()).collect();
        if random.random_bool(0.2) {
            names.push(pick(random, &["Extra", "id2", "", "a b", "ID"]).to_owned());
            order.push(2);
        }
        text.extend_from_slice(names.join(&delimiter).as_bytes());
        text.extend_from_slice(end.as_bytes());
    }
    for record in 0..records {
        let fields: Vec<String> =
            order.iter().map(|column| field(random, *column, options, &delimiter, quote)).collect();
        text.extend_from_slice(fields.join(&delimiter).as_bytes());
        if record + 1 < records || random.random_bool(0.7) {
            text.extend_from_slice(end.as_bytes());
        }
    }
}

fn field(random: &mut ChaCha8Rng, column: usize, options: &CsvOptions, delimiter: &str, quote: Option<char>) -> String {
    let value = value(random, column);
    let needs = value.is_empty() && options.delimiter == Delimiter::Whitespace;
    let Some(quote) = quote.filter(|quote| {
        needs || value.contains([*quote, '\n', '\r', ' ']) || value.contains(delimiter) || random.random_bool(0.1)
    }) else {
        return value;
    };
    if random.random_bool(0.97) {
        format!("{quote}{}{quote}", value.replace(quote, &format!("{quote}{quote}")))
    } else {
        value
    }
}

fn json_text(random: &mut ChaCha8Rng, records: usize, text: &mut Vec<u8>) {
    for _ in 0..records {
        let mut members = Vec::new();
        for (column, name) in NAMES.iter().enumerate() {
            if random.random_bool(0.15) && column > 0 {
                continue;
            }
            let value = value(random, column);
            let is_bare = random.random_bool(0.5) && serde_json::from_str::<serde_json::Value>(&value).is_ok();
            let shown = match random.random_range(0..30) {
                0 => "null".to_owned(),
                1 => pick(
                    random,
                    &["[1,{\"x\":null}]", "{}", "{\"a\":{\"b\":[]}}", "true", "\"\\u00e9\\ud83d\\ude00\"", "\"\\n\""],
                )
                .to_owned(),
                _ if is_bare => value,
                _ => serde_json::Value::from(value).to_string(),
            };
            members.push(format!("\"{name}\":{shown}"));
        }
        if random.random_bool(0.1) {
            members.push(
                pick(random, &["\"more\":1", "\"id\":2", "\"tags\":[1,2]", "\"\\u0069d\":3", "\"more\":2,\"more\":3"])
                    .to_owned(),
            );
        }
        let blank = if random.random_bool(0.2) { " " } else { "" };
        let end = pick(random, &["\n", "\n", "\n", "\r\n", "\n\n", " \n"]);
        text.extend_from_slice(
            format!("{blank}{{{blank}{}{blank}}}{end}", members.join(&format!(",{blank}"))).as_bytes(),
        );
    }
}

/// Damages bytes in some ways; `other` is a file from which pieces may come.
pub fn mutate(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8], most: usize) {
    const INTERESTING: &[u8] = b"\"\"',;\t|\n\r\n {}[]:\\-+.eE0\x00\xff\xc3\xef";
    for _ in 0..random.random_range(0..=most) {
        let length = bytes.len();
        let at = random.random_range(0..=length);
        let piece = random.random_range(0..=(length - at).min(40));
        match random.random_range(0..10) {
            0 if at < length => bytes[at] ^= 1 << random.random_range(0..8),
            1 | 2 if at < length => bytes[at] = INTERESTING[random.random_range(0..INTERESTING.len())],
            3 => drop(bytes.drain(at..at + piece)),
            4 => {
                let count = random.random_range(1..6);
                let new: Vec<u8> = (0..count).map(|_| INTERESTING[random.random_range(0..INTERESTING.len())]).collect();
                bytes.splice(at..at, new);
            }
            5 => {
                let copy = bytes[at..at + piece].to_vec();
                bytes.splice(at..at, copy);
            }
            6 if random.random_bool(0.3) => bytes.truncate(at),
            7 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let to = (from + random.random_range(0..60)).min(other.len());
                bytes.splice(at..at + piece, other[from..to].to_vec());
            }
            8 => {
                let (old, new) = [(b',', b';'), (b';', b','), (b'"', b'\''), (b'\t', b' ')][random.random_range(0..4)];
                let piece = &mut bytes[at..at + piece];
                piece.iter_mut().filter(|byte| **byte == old).for_each(|byte| *byte = new);
            }
            9 if at < length => bytes[at] = random.random_range(0..=255),
            _ => {}
        }
    }
}

pub fn pack(text: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => text.to_vec(),
        Compression::Gzip => gzip(text),
        Compression::Zstd => zstd::bulk::compress(text, 1).unwrap(),
    }
}

/// A damaged file: before it was packed, after, or both.
pub fn random_file(random: &mut ChaCha8Rng, source: &Source, number: usize, other: &[u8]) -> File {
    let mut text = if random.random_bool(0.03) {
        (0..random.random_range(0..600)).map(|_| random.random_range(0..=255)).collect()
    } else {
        random_text(random, source)
    };
    mutate(random, &mut text, other, 6);
    let compressions = [Compression::None, Compression::None, Compression::Gzip, Compression::Zstd];
    let compression = compressions[random.random_range(0..4)];
    let mut bytes = pack(&text, compression);
    if compression != Compression::None && random.random_bool(0.2) {
        // Two members, or frames, are one text.
        bytes.extend(pack(&random_text(random, source), compression));
    }
    if compression != Compression::None && random.random_bool(0.4) {
        let copy = bytes.clone();
        mutate(random, &mut bytes, &copy, 3);
    }
    let ending = match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    };
    File { name: format!("f{number:03}.txt{ending}"), compression, bytes }
}
