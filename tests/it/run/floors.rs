//! The floors of the program: a module imports only from floors below its own.

use std::path::{Path, PathBuf};

/// From the top. Modules of one floor do not know each other.
const FLOORS: [&[&str]; 5] = [
    &["main"],
    &["cli"],
    &["schedule"],
    &["run"],
    &["plan", "land", "transform", "check", "publish", "demo", "dictionary", "watch"],
];

const GROUND: [&str; 5] = ["storage", "state", "config", "interrupt", "progress"];

/// The only module that looks at a neighbour.
const NEIGHBOURS: [(&str, &str); 1] = [("check", "transform")];

const MOST_LINES: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline");
    let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found
}

fn module_of(file: &Path) -> String {
    file.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// `None`: the ground.
fn floor_of(module: &str) -> Option<usize> {
    if GROUND.contains(&module) {
        return None;
    }
    let floor = FLOORS.iter().position(|floor| floor.contains(&module));
    assert!(floor.is_some(), "module `{module}` stands on no floor");
    floor
}

/// The modules that a file names after `crate::`, or in `crate::{…}`.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let word =
        |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(list) => {
                let (mut depth, mut item) = (0, String::new());
                for letter in list.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(word(std::mem::take(&mut item).trim())),
                        letter if depth == 0 => item.push(letter),
                        _ => {}
                    }
                }
                found.push(word(item.trim()));
            }
        }
    }
    // Items of the crate's root are no modules.
    found.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    found
}

#[test]
fn modules_import_from_floors_below_alone() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        for import in imports(&text).into_iter().filter(|import| *import != module) {
            let allowed = match (floor_of(&module), floor_of(&import)) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(own), Some(other)) => own < other || NEIGHBOURS.contains(&(&module, &import)),
            };
            if !allowed {
                wrong.push(format!("{} imports {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::state::{State, Trigger};\nuse crate::{land, run::{a, b}, plan};\nfn f() -> crate::publish::X {} // crate::cli";
    assert_eq!(imports(text), ["state", "land", "run", "plan", "publish"]);
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > MOST_LINES)
        .map(|(file, text)| format!("{}: {} lines", file.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
