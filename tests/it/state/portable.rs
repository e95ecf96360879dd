//! The statements of the state are such that both databases take them.

use std::path::Path;

/// What only one database knows, or what goes round the one way of writing, and why it must not be there.
const FORBIDDEN: [(&str, &str); 9] = [
    (".execute(&self.pool)", "a write goes through `write` or `change`: they wait for the other writers"),
    ("insert or ", "`on conflict` is what both databases know"),
    ("rowid", "SQLite's own"),
    ("pragma ", "SQLite's own"),
    ("sqlite_", "SQLite's own"),
    ("values (?", "both databases know `$1`"),
    ("= ?", "both databases know `$1`"),
    (".bind(true)", "a yes is 1"),
    (".bind(false)", "a no is 0"),
];

#[test]
fn statements_are_portable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline/state");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap().chain(std::fs::read_dir(folder.join("migrations")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What differs between the databases is in `engine`.
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (words, reason) in FORBIDDEN {
            assert!(!text.contains(words), "`{words}` in {}: {reason}", path.display());
        }
        files += 1;
    }
    assert!(files > 20, "{files}");
}
