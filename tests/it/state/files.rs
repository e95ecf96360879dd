use std::time::Duration;

use lifecycle::state::{RunFilter, State, StateError};

use super::{Place, acquire, at, run_start};

/// The message and the hint, with the folder's name taken out.
async fn refusal(place: &Place) -> (StateError, String) {
    let error = State::open(&place.file()).await.unwrap_err();
    let text = format!("{error}; {}", error.hint().unwrap());
    let folder = place.folder.path().display().to_string();
    (error, text.replace(&folder, "FOLDER"))
}

fn write(place: &Place, bytes: &[u8]) {
    std::fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    std::fs::write(place.file(), bytes).unwrap();
}

#[tokio::test]
async fn folders_and_file_are_made_and_reopening_keeps_all() {
    let place = Place::new();
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    // Dropped without closing, as by a kill: what was written is there.
    drop(state);
    let state = place.open().await;
    state.check_integrity().await.unwrap();
    assert_eq!(state.list_runs(&RunFilter::default(), at(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let place = Place::new();
    write(&place, "these are the notes of somebody, and long enough to be taken for a page of a database".as_bytes());
    let (error, text) = refusal(&place).await;
    assert!(matches!(error, StateError::Corrupt { .. }), "{text}");
    insta::assert_snapshot!(text, @"the state file FOLDER/deep/er/state.db is damaged: file is not a database; move FOLDER/deep/er/state.db and the -wal and -shm files beside it away, or restore a copy: a new file starts an empty history, and no landed or published table is lost");
    assert!(std::fs::read_to_string(place.file()).unwrap().starts_with("these are the notes"));
}

#[tokio::test]
async fn damage_inside_the_file_is_found() {
    let place = Place::new();
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    for number in 0..200 {
        state.start_run(&run_start(&format!("run-{number}"), "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    }
    state.close().await;
    drop(state);
    let mut bytes = std::fs::read(place.file()).unwrap();
    assert!(bytes.len() > 40_000, "all is in the main file after closing");
    // The first pages hold the schema; the rest hold the rows.
    bytes[20_000..].fill(0xA5);
    std::fs::write(place.file(), bytes).unwrap();
    let damage = match State::open(&place.file()).await {
        Ok(state) => state.check_integrity().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(damage, StateError::Corrupt { .. }), "{damage}");
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    use sqlx::ConnectOptions;
    let place = Place::new();
    write(&place, b"");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.file());
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("create table songs (title text)").execute(&mut connection).await.unwrap();
    let (_, text) = refusal(&place).await;
    insta::assert_snapshot!(text, @"FOLDER/deep/er/state.db is a database of another program; set `state` to a file of its own");
}

#[tokio::test]
async fn a_newer_programs_file_is_refused() {
    use sqlx::ConnectOptions;
    let place = Place::new();
    place.open().await.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.file());
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("insert into lifecycle_schema values (99)").execute(&mut connection).await.unwrap();
    let (_, text) = refusal(&place).await;
    let (before, after) = text.split_once("this program knows ").unwrap();
    let text = format!("{before}this program knows N;{}", after.split_once(';').unwrap().1);
    insta::assert_snapshot!(text, @"the state file FOLDER/deep/er/state.db has schema version 99, this program knows N; use the newer `lifecycle` that wrote the file");
}

#[tokio::test]
async fn a_read_only_file_is_refused() {
    let place = Place::new();
    place.open().await.close().await;
    let mut permissions = std::fs::metadata(place.file()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(place.file(), permissions).unwrap();
    let (_, text) = refusal(&place).await;
    insta::assert_snapshot!(text, @"the state file FOLDER/deep/er/state.db is read-only; make FOLDER/deep/er/state.db and its folder writable for this user, or set `state` to another place");
}

#[tokio::test]
async fn a_folder_in_the_files_place_and_a_file_in_the_folders_place_are_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.file()).unwrap();
    let (_, text) = refusal(&place).await;
    insta::assert_snapshot!(text, @"the state file FOLDER/deep/er/state.db cannot be opened; check that the path is a file in a folder that this user may write, or set `state` to another place");

    let place = Place::new();
    std::fs::write(place.folder.path().join("deep"), "a file").unwrap();
    let (_, text) = refusal(&place).await;
    insta::assert_snapshot!(text, @"the folder FOLDER/deep/er of the state file cannot be created; check the permissions, or set `state` in the environment's YAML to another place");
}

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_is_reported_as_locked() {
    use sqlx::ConnectOptions;
    let place = Place::new();
    place.open().await.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.file());
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("begin immediate").execute(&mut other).await.unwrap();
    let state = State::open_within(&place.file(), Duration::from_millis(50)).await.unwrap();
    assert!(state.list_runs(&RunFilter::default(), at(0)).await.unwrap().is_empty(), "who only looks does not wait");
    let error = state.acquire_lease("nightly", "tester", Duration::from_secs(60), at(0)).await.unwrap_err();
    assert!(matches!(error, StateError::Locked { .. }), "{error}");
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    acquire(&state, "nightly", at(0)).await;
}

#[tokio::test]
async fn a_path_may_hold_any_letter() {
    let odd = [
        "a b.db",
        "50%.db",
        "%20.db",
        "what?.db",
        "a#b.db",
        "sqlite:x.db",
        "a&mode=ro.db",
        "kunde ümläut 顧客.db",
        "a'\"`{}|\\.db",
        ":memory:",
    ];
    let folder = tempfile::tempdir().unwrap();
    for name in odd {
        let file = folder.path().join("with ?# %41 in it").join(name);
        let state = State::open(&file).await.unwrap();
        acquire(&state, "nightly", at(0)).await;
        let log = file.with_file_name(format!("{name}-wal"));
        assert!(log.is_file(), "{name}: written ahead, so that readers do not wait");
        state.close().await;
        assert!(file.is_file(), "{name}");
    }
    let found = std::fs::read_dir(folder.path().join("with ?# %41 in it")).unwrap();
    let databases = found.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_string_lossy().ends_with(".lock")
    });
    assert_eq!(databases.count(), odd.len(), "and nothing else is made");
}
