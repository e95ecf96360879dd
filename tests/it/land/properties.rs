//! Random dirt: nothing is lost, whatever the bytes and wherever blocks end.

use lifecycle::config::{ColumnContract, DataType, Format, Source, UnknownColumns};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::{ORDERS, Zone, column, csv_format, decimal, feed, orders, required};

fn config() -> Config {
    Config { cases: 60, rng_seed: RngSeed::Fixed(20_240_101), failure_persistence: None, ..Config::default() }
}

fn columns() -> Vec<ColumnContract> {
    vec![required("id", DataType::Integer), column("amount", decimal(9, 2)), column("note", DataType::String)]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

type Outcome = (Vec<String>, Vec<String>, u64, u64);

/// Lands one object with blocks of a size: rows, rejected rows, and the counts.
async fn outcome(source: &Source, name: &str, bytes: &[u8], block: usize) -> Outcome {
    let zone = Zone::new().with_tiny_sizes(block);
    zone.put(name, bytes);
    let report = zone.land(source).await;
    let rejected = zone
        .rejected(source)
        .await
        .into_iter()
        .map(|row| format!("{}@{:?} {} {:?}", row.line, row.offset, row.reason, row.raw))
        .collect();
    let rows = zone.rows_with(source, &["_line", "id", "amount", "note"]).await;
    (rows, rejected, report.rows_in(), report.landed())
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9]{1,4}",
        2 => "[0-9]{1,3}\\.[0-9]{1,3}",
        2 => "[a-zé ]{0,6}",
        2 => "\"([a-z,\\n]|\"\"){0,6}\"",
        1 => "[a-z0-9\",\\r\\n ]{0,5}",
    ]
}

fn csv_text() -> impl Strategy<Value = Vec<u8>> {
    let record = (prop::collection::vec(field(), 1..5), prop_oneof![Just("\n"), Just("\r\n")])
        .prop_map(|(fields, end)| format!("{}{end}", fields.join(",")));
    let good = (0..1000_u32, 0..100_u32, "[a-z]{0,4}").prop_map(|(id, amount, note)| format!("{id},{amount},{note}\n"));
    let lines = prop::collection::vec(prop_oneof![2 => good, 1 => record], 0..25);
    let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (lines, noise).prop_map(|(lines, noise)| {
        let mut bytes = format!("id,amount,note\n{}", lines.concat()).into_bytes();
        let start = 15;
        for (at, byte) in noise {
            if bytes.len() > start {
                let at = start + at.index(bytes.len() - start);
                bytes[at] = byte;
            }
        }
        bytes
    })
}

/// A slow reader of CSV that says where records begin and what they hold: fields, or `None` for a broken one.
fn simple_csv(text: &[u8]) -> Vec<(usize, Option<Vec<Vec<u8>>>)> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line_end =
            |from: usize| text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |n| from + n + 1);
        if text[at] == b'\n' || text[at..].starts_with(b"\r\n") {
            at = line_end(at);
            continue;
        }
        let start = at;
        match simple_record(text, at) {
            Some((fields, next)) => {
                records.push((start, Some(fields)));
                at = next;
            }
            None => {
                records.push((start, None));
                at = line_end(start);
            }
        }
    }
    records
}

fn simple_record(text: &[u8], mut at: usize) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut fields = Vec::new();
    loop {
        let mut value = Vec::new();
        if text.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match (text.get(at)?, text.get(at + 1)) {
                    (b'"', Some(b'"')) => {
                        value.push(b'"');
                        at += 2;
                    }
                    (b'"', _) => {
                        at += 1;
                        break;
                    }
                    (byte, _) => {
                        value.push(*byte);
                        at += 1;
                    }
                }
            }
        } else {
            while at < text.len() && text[at] != b',' && text[at] != b'\n' {
                value.push(text[at]);
                at += 1;
            }
            if (at >= text.len() || text[at] == b'\n') && value.last() == Some(&b'\r') {
                value.pop();
                at -= 1;
            }
        }
        fields.push(value);
        match &text[at..] {
            [b',', ..] => at += 1,
            [] => return Some((fields, at)),
            [b'\r'] => return Some((fields, at + 1)),
            [b'\n', ..] => return Some((fields, at + 1)),
            [b'\r', b'\n', ..] => return Some((fields, at + 2)),
            _ => return None,
        }
    }
}

/// Which records the contract takes: their ids.
fn simple_landed(text: &[u8]) -> (usize, Vec<String>) {
    let records = simple_csv(text);
    let mut ids = Vec::new();
    for (place, (start, fields)) in records.iter().enumerate().skip(1) {
        let end = records.get(place + 1).map_or(text.len(), |next| next.0);
        let Some(fields) = fields else { continue };
        if fields.len() != 3 || std::str::from_utf8(&text[*start..end]).is_err() {
            continue;
        }
        let value = |field: usize| std::str::from_utf8(&fields[field]).unwrap();
        let trimmed = |field: usize| value(field).trim_matches(|c: char| c.is_ascii_whitespace()).to_owned();
        let Ok(id) = trimmed(0).parse::<i64>() else { continue };
        let amount = trimmed(1);
        let (whole, fraction) = amount.split_once('.').unwrap_or((&amount, ""));
        let is_amount = amount.is_empty()
            || (!whole.is_empty() || !fraction.is_empty())
                && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
                && fraction.trim_end_matches('0').len() <= 2
                && whole.trim_start_matches('0').len() <= 7;
        if is_amount {
            ids.push(id.to_string());
        }
    }
    (records.len() - 1, ids)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn csv_loses_nothing_and_blocks_do_not_matter(bytes in csv_text(), block in 1..200_usize) {
        let source = feed("*.csv", csv_format(), columns());
        let (whole, cut) = runtime().block_on(async {
            (outcome(&source, "a.csv", &bytes, 1 << 20).await, outcome(&source, "a.csv", &bytes, block).await)
        });
        prop_assert_eq!(&whole, &cut);
        let (rows, rejected, rows_in, landed) = whole;
        prop_assert_eq!(rows.len() + rejected.len(), rows_in as usize);
        prop_assert_eq!(rows.len(), landed as usize);
        // The slow reader knows neither signs, exponents nor other blanks: leave those texts to the checks above.
        let odd = |byte: &u8| matches!(byte, b'+' | b'-' | b'e' | b'E' | 0x0b | 0x0c);
        if !bytes[15..].iter().any(odd) {
            let (records, mut ids) = simple_landed(&bytes);
            prop_assert_eq!(records, rows_in as usize);
            let mut found: Vec<String> = rows.iter().map(|row| row.split('|').nth(1).unwrap().to_owned()).collect();
            ids.sort();
            found.sort();
            prop_assert_eq!(ids, found);
        }
    }

    #[test]
    fn json_agrees_with_a_full_parser(
        lines in prop::collection::vec(prop_oneof![
            3 => (0..1000_u32, "[a-z\"\\\\é\\n]{0,5}").prop_map(|(id, note)| {
                serde_json::json!({"id": id, "note": note, "more": {"a": [1, "x"]}}).to_string()
            }),
            1 => "[{}\\[\\]\":,a-z0-9.\\\\ ]{0,12}",
            1 => "\\{\"id\": ?-?[0-9]{1,3}(\\.0)?(e[0-9])? ?,\"note\":(\"[a-z\\\\nu0]{0,6}\"|null|true|\\[[0-9,]{0,4}\\])\\}",
        ], 0..20),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        block in 1..100_usize,
    ) {
        let mut bytes = lines.join("\n").into_bytes();
        for (at, byte) in noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let mut source = feed("*.json", Format::NdJson, columns());
        source.unknown_columns = UnknownColumns::Ignore;
        let (whole, cut) = runtime().block_on(async {
            (outcome(&source, "a.json", &bytes, 1 << 20).await, outcome(&source, "a.json", &bytes, block).await)
        });
        prop_assert_eq!(&whole, &cut);
        let (rows, rejected, rows_in, _) = whole;
        prop_assert_eq!(rows.len() + rejected.len(), rows_in as usize);
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let is_blank = |line: &[u8]| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        let records: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).collect();
        prop_assert_eq!(records.len(), rows_in as usize);
        // Whatever is no JSON object is refused for that; what is one is refused by the contract only.
        let not_json = rejected.iter().filter(|row| {
            ["the line is not", "the record is not UTF-8", "stands twice"].iter().any(|reason| row.contains(reason))
        });
        let broken = records.iter().filter(|line| {
            !matches!(serde_json::from_slice::<serde_json::Value>(line), Ok(serde_json::Value::Object(_)))
        });
        let twice = rejected.iter().filter(|row| row.contains("stands twice")).count();
        prop_assert_eq!(not_json.count() - twice, broken.count());
    }
}

/// A row of an object: its key, its day, its quantity; one without a quantity is refused.
type Row = (u8, u8, Option<u8>);

fn line((key, day, quantity): Row) -> String {
    let quantity = quantity.map_or("none".to_owned(), |quantity| quantity.to_string());
    format!("k{key},1,2024-01-{:02}T10:00:00Z,{quantity}\n", day % 9 + 1)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0..7_u8, any::<u8>(), prop::option::weighted(0.85, any::<u8>())), 0..6)
}

/// An object: its rows, when it was last written, and what an earlier version of it held, where there was one.
type Object = (Vec<Row>, u8, Option<Vec<Row>>);

fn objects() -> impl Strategy<Value = Vec<Object>> {
    prop::collection::vec((rows(), 0..4_u8, prop::option::weighted(0.3, rows())), 1..9)
}

fn put(zone: &Zone, number: usize, rows: &[Row], seconds: u64) {
    let lines: String = rows.iter().map(|row| line(*row)).collect();
    zone.put_at(&format!("{number}.csv"), format!("{ORDERS}{lines}"), seconds);
}

/// Everything that a reader can see, and the counts.
async fn seen(zone: &Zone, source: &Source) -> (Vec<String>, Vec<String>, [u64; 4]) {
    let rows = zone.rows_with(source, &["_object", "_line", "_day", "order_id", "quantity"]).await;
    let rejected: Vec<String> =
        zone.rejected(source).await.into_iter().map(|row| format!("{} {} {}", row.object, row.line, row.raw)).collect();
    let files = lifecycle::land::landed_files(&zone.snapshot().await);
    let count = |files: &[lifecycle::storage::DataFile]| files.iter().map(lifecycle::storage::DataFile::rows).sum();
    let counts = [&files.rows, &files.rejected, &files.objects, &files.superseded].map(|files| count(files));
    (rows, rejected, counts)
}

proptest! {
    #![proptest_config(Config { cases: 24, ..config() })]

    #[test]
    fn the_order_and_grouping_of_objects_do_not_matter(
        objects in objects(),
        order in prop::collection::vec(any::<u32>(), 9),
        cuts in prop::collection::vec(any::<bool>(), 9),
    ) {
        let source = orders("*.csv");
        runtime().block_on(async {
            let together = Zone::new();
            for (number, (rows, at, _)) in objects.iter().enumerate() {
                put(&together, number, rows, u64::from(*at) + 100);
            }
            together.land(&source).await;
            // One after the other, some together, some first in an earlier version.
            let apart = Zone::new().with_tiny_sizes(50);
            let mut turns: Vec<usize> = (0..objects.len()).collect();
            turns.sort_by_key(|number| order[*number]);
            for number in &turns {
                if let (_, at, Some(before)) = &objects[*number] {
                    put(&apart, *number, before, u64::from(*at));
                    if cuts[*number] {
                        apart.land(&source).await;
                    }
                }
            }
            apart.land(&source).await;
            for number in turns {
                let (rows, at, _) = &objects[number];
                put(&apart, number, rows, u64::from(*at) + 100);
                if cuts[number] {
                    apart.land(&source).await;
                }
            }
            apart.land(&source).await;
            assert_eq!(seen(&together, &source).await, seen(&apart, &source).await);
            assert!(!apart.land(&source).await.committed);
        });
    }

    #[test]
    fn how_rows_are_spread_over_objects_does_not_matter(
        rows in prop::collection::vec((0..7_u8, any::<u8>(), prop::option::weighted(0.85, any::<u8>())), 1..40),
        cuts in prop::collection::vec(prop::collection::vec(any::<bool>(), 40), 2),
        at_once in any::<bool>(),
    ) {
        let source = orders("*.csv");
        runtime().block_on(async {
            let mut all = Vec::new();
            for cuts in &cuts {
                let zone = Zone::new();
                let mut parts: Vec<Vec<Row>> = vec![Vec::new()];
                for (row, is_cut) in rows.iter().zip(cuts) {
                    parts.last_mut().unwrap().push(*row);
                    if *is_cut {
                        parts.push(Vec::new());
                    }
                }
                // What comes later is newer, wherever it is cut.
                for (number, part) in parts.iter().enumerate() {
                    put(&zone, number + 100, part, number as u64);
                    if !at_once && number % 5 == 4 {
                        zone.land(&source).await;
                    }
                }
                zone.land(&source).await;
                let visible = zone.rows_with(&source, &["order_id", "quantity", "_day"]).await;
                let mut refused: Vec<String> = zone.rejected(&source).await.into_iter().map(|row| row.raw).collect();
                refused.sort();
                let (_, _, [landed, rejected, _, superseded]) = seen(&zone, &source).await;
                assert_eq!(landed + rejected, rows.len() as u64);
                all.push((visible, refused, landed, superseded));
            }
            assert_eq!(all[0], all[1]);
        });
    }
}
