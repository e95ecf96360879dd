use super::{Folder, stable};

#[test]
fn init_writes_a_project_that_has_no_mistakes() {
    let folder = Folder::new();
    let _stable = stable();
    insta::assert_snapshot!(folder.run(&["init", "shop"]), @r"
    exit code 0
    ----- stderr
    made a project in shop with N standard models

    next:
      1. say where your data is: shop/config/local.yaml
      2. describe its columns:   shop/jobs/nightly.yaml
      3. lifecycle --project shop validate
      4. lifecycle --project shop run nightly
    ");
    for name in ["config/local.yaml", "jobs/nightly.yaml", "README.md", ".gitignore", "raw"] {
        assert!(folder.path().join("shop").join(name).exists(), "{name}");
    }
    lifecycle::config::load_project(&folder.path().join("shop"), "local", &|_| None)
        .unwrap_or_else(|problems| panic!("{problems}"));
}

#[test]
fn init_writes_the_standard_models_as_they_are() {
    let folder = Folder::new();
    folder.run(&["init", "shop", "-q"]);
    let standard = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut files = 0;
    for schema in ["staging", "intermediate", "marts", "seeds"] {
        for entry in std::fs::read_dir(standard.join(schema)).unwrap() {
            let path = entry.unwrap().path();
            let copy = folder.path().join("shop/sql").join(schema).join(path.file_name().unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(copy).unwrap(), "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 50);
    for name in ["environment", "job", "model", "seed", "cases"] {
        let name = format!("config/schemas/{name}.schema.json");
        let committed = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&name)).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("shop").join(&name)).unwrap(), committed, "{name}");
    }
}

#[test]
fn the_cases_of_a_new_project_have_no_mistakes() {
    let folder = Folder::new();
    folder.run(&["init", "shop", "-q"]);
    let said = folder.run(&["--project", "shop", "test", "churn_summary"]);
    assert!(said.starts_with("exit code 0") && said.contains("passed  marts.churn_summary"), "{said}");
}

#[test]
fn init_writes_over_nobodys_work() {
    let folder = Folder::new();
    folder.write("shop/notes.txt", "mine");
    insta::assert_snapshot!(folder.run(&["init", "shop"]), @r"
    exit code 2
    ----- stderr
    error: shop is not an empty folder
    hint: name a new folder, or empty this one first
    ");
    insta::assert_snapshot!(folder.run(&["init", "shop/notes.txt"]), @r"
    exit code 2
    ----- stderr
    error: shop/notes.txt is not an empty folder
    hint: name a new folder, or empty this one first
    ");
    assert_eq!(std::fs::read_dir(folder.path().join("shop")).unwrap().count(), 1);
}

#[test]
fn doctor_looks_at_everything_and_leaves_nothing_behind() {
    let _stable = stable();
    let folder = Folder::with_project();
    insta::assert_snapshot!(folder.run(&["doctor"]), @r"
    exit code 0
    ----- stdout
    check                  found
    configuration    ok    environment local, 2 jobs, 0 models
    state            ok    FOLDER/.lifecycle/state.db: opens, is whole, gives leases
    raw              warn  file://FOLDER/raw: nothing there yet
                           hint: let your systems drop objects there, or set `raw`
    warehouse        ok    file://FOLDER/warehouse: can be written, read and deleted
    conditional put  ok    an object that exists is not created again
    timezone         ok    Europe/London, now NOW; the last complete business day is DAY
    memory           ok    limit 1.1 GB of SIZE
    spill space      ok     TEMP: SIZE free
    state space      ok    FOLDER/.lifecycle: SIZE free
    warehouse space  ok    FOLDER/warehouse: SIZE free
    ");
    folder.write("raw/orders/date=2026-01-01/orders.csv", "order_no\n1\n");
    insta::assert_snapshot!(folder.run(&["doctor"]), @r"
    exit code 0
    ----- stdout
    check                found
    configuration    ok  environment local, 2 jobs, 0 models
    state            ok  FOLDER/.lifecycle/state.db: opens, is whole, gives leases
    raw              ok  file://FOLDER/raw: can be listed, for example orders/date=2026-01-01/orders.csv
    warehouse        ok  file://FOLDER/warehouse: can be written, read and deleted
    conditional put  ok  an object that exists is not created again
    timezone         ok  Europe/London, now NOW; the last complete business day is DAY
    memory           ok  limit 1.1 GB of SIZE
    spill space      ok   TEMP: SIZE free
    state space      ok  FOLDER/.lifecycle: SIZE free
    warehouse space  ok  FOLDER/warehouse: SIZE free
    ");
    assert_eq!(std::fs::read_dir(folder.path().join("warehouse")).unwrap().count(), 0);
}

#[test]
fn doctor_says_what_is_wrong_with_all_of_it_at_once() {
    let _stable = stable();
    let folder = Folder::with_project();
    folder.write("jobs/nightly.yaml", "name: nightly\nsauces: {}\n");
    folder.write(".lifecycle/state.db", &"this is no database at all ".repeat(100));
    folder.write("warehouse", "a file in the folder's place");
    insta::assert_snapshot!(folder.run(&["doctor"]), @r"
    exit code 1
    ----- stdout
    check                  found
    configuration    fail  1 mistake in the project's files
                           hint: `lifecycle validate` shows them with their lines
    state            fail  the state file FOLDER/.lifecycle/state.db is damaged: file is not a database
                           hint: move FOLDER/.lifecycle/state.db and the -wal and -shm files beside it away, or restore a copy: a new file starts an empty history, and no landed or published table is lost
    raw              warn  file://FOLDER/raw: nothing there yet
                           hint: let your systems drop objects there, or set `raw`
    warehouse        fail  store of `file://FOLDER/warehouse` failed: Generic LocalFileSystem error: File exists (os error 17)
                           hint: name a folder that this user may read and write, on a disk with space
    timezone         ok    Europe/London, now NOW; the last complete business day is DAY
    memory           ok    limit 1.1 GB of SIZE
    spill space      ok     TEMP: SIZE free
    state space      ok    FOLDER/.lifecycle: SIZE free
    warehouse space  ok    FOLDER/warehouse: SIZE free
    ----- stderr
    error: not as it should be: configuration, state, warehouse
    ");
}

#[test]
fn doctor_calls_a_mistake_in_a_file_a_configuration_error() {
    let folder = Folder::with_project();
    folder.write("jobs/nightly.yaml", "name: nightly\nsauces: {}\n");
    let text = folder.run(&["doctor"]);
    assert!(text.starts_with("exit code 2"), "{text}");
}
