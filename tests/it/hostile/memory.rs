//! Memory stays flat whatever an object unpacks to: measured on the real binary.

use std::io::Write;
use std::time::Instant;

use super::Desk;
use crate::memory::peak;

/// Far below what the objects hold, and above what any landing takes.
const MOST_MEBIBYTES: u64 = 500;

fn packed(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write(&mut encoder);
    encoder.finish().unwrap()
}

#[test]
#[ignore = "long: unpacks 21 GiB"]
fn bombs_take_no_more_memory_than_other_objects() {
    let zeros = vec![0; 1 << 20];
    let wide: String = (0..9_000).map(|name| format!(",n{name}")).collect();
    let bombs: [(&str, Vec<u8>); 4] = [
        ("21 GiB of zeros in a line", packed(|to| (0..21 * 1024).for_each(|_| to.write_all(&zeros).unwrap()))),
        ("64 million empty lines", packed(|to| (0..64).for_each(|_| to.write_all(&[b'\n'; 1 << 20]).unwrap()))),
        ("a million lines of a letter", packed(|to| to.write_all("x\n".repeat(1 << 20).as_bytes()).unwrap())),
        (
            "256,000 short lines under 9,000 names",
            packed(|to| {
                to.write_all(format!("order_id,ordered_at,email,quantity{wide}\n").as_bytes()).unwrap();
                to.write_all("x\n".repeat(256_000).as_bytes()).unwrap();
            }),
        ),
    ];
    for (name, bytes) in bombs {
        let desk = Desk::new();
        desk.edit("jobs/nightly.yaml", "*.csv", "*.csv.gz");
        desk.edit("jobs/nightly.yaml", "max_rejected: 90%", "max_rejected: 100%");
        let head = packed(|to| to.write_all(super::HEADER.as_bytes()).unwrap());
        let is_whole = name.contains("names");
        // Members of gzip one after the other are one text.
        desk.write("raw/orders/1.csv.gz", if is_whole { bytes } else { [head, bytes].concat() });
        let started = Instant::now();
        let (code, most) = peak(&mut desk.spawn(&["run", "nightly", "--as-of", super::AS_OF]));
        println!("bomb of {name}: {most} MiB at most, {:.0} s", started.elapsed().as_secs_f64());
        assert_eq!(code, Some(0), "{name}");
        assert!(most < MOST_MEBIBYTES, "{name} took {most} MiB");
    }
}
