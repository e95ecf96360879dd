//! Servers that cannot be used, and what the program says about them; passwords are never among it.

use std::time::Duration;

use lifecycle::state::{State, StateError};
use sqlx::Executor;

use super::server::{self, PASSWORD, as_written, connect, location, on};
use super::{Place, acquire, at};
use crate::cli::Folder;

/// The error, its causes and its hint.
async fn refusal(location: &lifecycle::config::PostgresLocation) -> (StateError, String) {
    let error = State::open_within(&on(location), Duration::from_secs(1)).await.unwrap_err();
    let mut text = format!("{error}; {}", error.hint().unwrap());
    text = text.replace(&location.port.to_string(), "PORT").replace(&location.schema, "SCHEMA");
    assert_is_silent(&format!("{text} {error:?}"));
    (error, text)
}

/// Neither the password nor what a URL makes of it is in the text.
fn assert_is_silent(text: &str) {
    for secret in [PASSWORD, "p%40ss", "p@ss", "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_a_missing_database_and_a_closed_port_are_told_apart() {
    let Some(port) = server::shared() else { return };
    let right = location(port);
    let wrong = lifecycle::config::PostgresLocation { password: Some("hunter2".to_owned()), ..right.clone() };
    let (error, text) = refusal(&wrong).await;
    assert!(matches!(error, StateError::NotAdmitted { .. }), "{error:?}");
    insta::assert_snapshot!(text, @r#"the state database postgres://lifecycle@127.0.0.1:PORT/postgres?schema=SCHEMA refuses the user: password authentication failed for user "lifecycle"; check the user and the password in `state`, and the server's pg_hba.conf"#);

    let missing = lifecycle::config::PostgresLocation { database: "no_such".to_owned(), ..right.clone() };
    let (error, text) = refusal(&missing).await;
    assert!(matches!(error, StateError::NoDatabase { .. }), "{error:?}");
    insta::assert_snapshot!(text, @"the state database postgres://lifecycle@127.0.0.1:PORT/no_such?schema=SCHEMA does not exist; create it, such as by `createdb`, or set `state` to one that exists");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (error, text) = refusal(&lifecycle::config::PostgresLocation { port: closed, ..right.clone() }).await;
    assert!(matches!(error, StateError::Unreachable { .. }), "{error:?}");
    insta::assert_snapshot!(text, @"the state database postgres://lifecycle@127.0.0.1:PORT/postgres?schema=SCHEMA cannot be reached; check that the server runs, and the host, the port and `sslmode` in `state`; nothing is lost");

    let tls = vec![("sslmode".to_owned(), "require".to_owned())];
    let (error, text) = refusal(&lifecycle::config::PostgresLocation { tls, ..right }).await;
    assert!(matches!(error, StateError::CannotOpen { .. }), "{error:?}");
    insta::assert_snapshot!(text, @"the state database postgres://lifecycle@127.0.0.1:PORT/postgres?schema=SCHEMA cannot be opened; check `state` in the environment's YAML, its `sslmode` and the files that it names");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_another_programs_schema_and_a_newer_one_are_refused() {
    let Some(port) = server::shared() else { return };
    let own = location(port);
    let mut connection = connect(&own).await;
    let guest = format!("guest_{}", own.schema);
    let statement = format!("create role {guest} login password 'hunter2'");
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let as_guest = lifecycle::config::PostgresLocation {
        user: guest.clone(),
        password: Some("hunter2".to_owned()),
        ..own.clone()
    };
    let (error, text) = refusal(&as_guest).await;
    assert!(matches!(error, StateError::NotPermitted { .. }), "{error:?}");
    insta::assert_snapshot!(text.replace("guest_SCHEMA", "GUEST"), @"bringing the schema up to date is not permitted in the state database postgres://GUEST@127.0.0.1:PORT/postgres?schema=SCHEMA: permission denied for database postgres; give the user a schema of its own: `create schema lifecycle authorization` and its name");

    // A schema of its own is all that a user needs.
    let statement = format!("create schema {} authorization {guest}", own.schema);
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let state = State::open(&on(&as_guest)).await.unwrap();
    acquire(&state, "nightly", at(0)).await;
    state.check_integrity().await.unwrap();

    let statement = format!("insert into {}.lifecycle_schema values (99)", own.schema);
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let (error, _) = refusal(&as_guest).await;
    assert!(matches!(error, StateError::NewerSchema { found: 99, .. }), "{error:?}");

    let other = location(port);
    let statement = format!("create schema {0}; create table {0}.songs (title text)", other.schema);
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    let (error, text) = refusal(&other).await;
    assert!(matches!(error, StateError::NotAStateFile { .. }), "{error:?}");
    insta::assert_snapshot!(text, @"postgres://lifecycle@127.0.0.1:PORT/postgres?schema=SCHEMA is a database of another program; set `schema` in `state` to a schema of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sleeps_does_not_keep_the_others_waiting_for_ever() {
    let Some(place) = Place::on_server() else { return };
    let own = place.server.clone().unwrap();
    let state = place.open().await;
    // As a process that was stopped in the middle of a write.
    let mut sleeper = connect(&own).await;
    sqlx::raw_sql("begin").execute(&mut sleeper).await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("lifecycle state in {}", own.schema))
        .execute(&mut sleeper)
        .await
        .unwrap();
    let asking = tokio::spawn(async move { state.lease_owner("nightly", at(0)).await });
    assert_eq!(asking.await.unwrap().unwrap(), None, "reads do not wait");
    let state = place.open().await;
    let acquiring = state.acquire_lease("nightly", "tester", Duration::from_secs(60), at(0));
    let waiting = tokio::time::timeout(Duration::from_millis(300), acquiring).await;
    assert!(waiting.is_err(), "writes wait");
    sqlx::raw_sql("rollback").execute(&mut sleeper).await.unwrap();
    acquire(&place.open().await, "nightly", at(0)).await;
}

/// A project whose state is on the shared server, with its password in a variable.
fn project(state: &str) -> Folder {
    let folder = Folder::with_project();
    folder.write(
        "config/local.yaml",
        &format!(
            "raw: raw\nwarehouse: warehouse\nstate: {state}\ntimezone: Europe/London\ncurrency: GBP\n\
             memory_limit: 1GiB\n"
        ),
    );
    folder
}

#[test]
fn the_program_works_on_a_server_and_says_what_is_wrong_with_one() {
    let Some(port) = server::shared() else { return };
    let own = location(port);
    let written = as_written(&own);
    let folder = project(&written);
    let run = |folder: &Folder, password: &str, arguments: &[&str]| {
        let output = folder.command(arguments).env("STATE_PASSWORD", password).env("RUST_LOG", "trace").output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_is_silent(&text);
        (output.status.code(), text)
    };
    let (code, text) = run(&folder, PASSWORD, &["doctor"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains(&format!("postgres://lifecycle@127.0.0.1:{port}/postgres?schema={}: PostgreSQL", own.schema))
    );
    assert!(text.contains("opens, is whole, gives leases"), "{text}");
    let (code, text) = run(&folder, PASSWORD, &["runs"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&folder, PASSWORD, &["-vv", "status"]);
    assert_eq!(code, Some(0), "{text}");

    let (code, text) = run(&folder, "hunter2", &["runs"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("refuses the user: password authentication failed for user \"lifecycle\""), "{text}");
    let (code, text) = run(&folder, "hunter2", &["doctor"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("check the user and the password in `state`"), "{text}");

    let missing = project(&written.replace("/postgres?", "/no_such?"));
    let (code, text) = run(&missing, PASSWORD, &["runs"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("/no_such?schema=") && text.contains("does not exist"), "{text}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = project(&written.replace(&format!(":{port}/"), &format!(":{closed}/")));
    let (code, text) = run(&unreachable, PASSWORD, &["runs"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cannot be reached") && text.contains("hint: check that the server runs"), "{text}");
}
