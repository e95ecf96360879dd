//! PostgreSQL servers that the tests start from the machine's binaries; they end with the test process.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use lifecycle::config::{PostgresLocation, StateLocation};

/// A letter of each kind that a URL would take for something else.
pub const PASSWORD: &str = "p@ss:w/o?r#d%41 x";

/// Makes a database folder and runs a server in it, as long as somebody holds the other end of its input. `stop` and
/// `start` come from there.
const SCRIPT: &str = r#"
set -e
bin=$1 port=$2
dir=$(mktemp -d)
trap 'kill -QUIT $server 2>/dev/null || true; wait || true; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
printf '%s' "$3" > "$dir/password"
"$bin/initdb" -D "$dir/data" -U lifecycle -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --no-locale --no-sync \
    --no-instructions > "$dir/initdb" 2>&1 || { cat "$dir/initdb" >&2; exit 1; }
run() {
    "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 -c fsync=off \
        -c max_connections=200 -c shared_buffers=16MB -c autovacuum=off >> "$dir/log" 2>&1 < /dev/null &
    server=$!
    until grep -q ready "$dir/data/postmaster.pid" 2>/dev/null; do kill -0 "$server"; sleep 0.02; done
}
run
echo started
while read -r word; do
    case $word in
        stop) kill -INT "$server"; wait "$server" || true; echo stopped ;;
        crash) kill -QUIT "$server"; wait "$server" || true; echo stopped ;;
        start) run; echo started ;;
    esac
done
"#;

/// One server with the user `lifecycle`, [`PASSWORD`] and no database of its own.
pub struct Server {
    port: u16,
    child: Child,
    /// Taken at the end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The server that all tests share; `None` where the machine has no PostgreSQL. Says so, or fails where
/// LIFECYCLE_REQUIRE_SERVERS is set.
pub fn shared() -> Option<u16> {
    // Never dropped: its process ends when this one's end of the pipe does.
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref().map(|server| server.port)
}

/// The folder of `initdb` and `postgres`.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let folders = debian.chain(std::env::split_paths(&path));
    let mut whole = folders.filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    whole.next()
}

/// PostgreSQL refuses to run as root: another user runs it.
fn as_a_plain_user(program: &str) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        return Command::new(program);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), "--clear-groups".to_owned(), program.to_owned()]);
    command
}

impl Server {
    pub fn start() -> Option<Self> {
        let Some(folder) = binaries() else {
            let message = "the machine has no PostgreSQL (initdb and postgres)";
            assert!(std::env::var_os("LIFECYCLE_REQUIRE_SERVERS").is_none(), "{message}");
            eprintln!("skipped: {message}");
            return None;
        };
        let port = free_port();
        let mut child = as_a_plain_user("sh")
            .args(["-c", SCRIPT, "server"])
            .arg(folder)
            .args([port.to_string().as_str(), PASSWORD])
            .current_dir("/")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { port, child, input, output };
        server.expect("started");
        Some(server)
    }

    /// Lets it end as by an administrator: connections are told, transactions are rolled back.
    pub fn stop(&mut self) {
        self.tell("stop", "stopped");
    }

    /// Lets it end as by a loss of power.
    pub fn crash(&mut self) {
        self.tell("crash", "stopped");
    }

    pub fn start_again(&mut self) {
        self.tell("start", "started");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn tell(&mut self, word: &str, answer: &str) {
        writeln!(self.input.as_mut().unwrap(), "{word}").unwrap();
        self.expect(answer);
    }

    fn expect(&mut self, answer: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), answer, "the server of the tests did not run");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The script reads the end of its input, and ends the server.
        self.input = None;
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A schema of its own on a server.
pub fn location(port: u16) -> PostgresLocation {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    PostgresLocation {
        user: "lifecycle".to_owned(),
        password: Some(PASSWORD.to_owned()),
        host: "127.0.0.1".to_owned(),
        port,
        database: "postgres".to_owned(),
        schema: format!("test_{}", NUMBER.fetch_add(1, Ordering::SeqCst)),
        tls: vec![("sslmode".to_owned(), "disable".to_owned())],
    }
}

/// `state` as a user writes it in YAML, with the password in the variable `STATE_PASSWORD`.
pub fn as_written(location: &PostgresLocation) -> String {
    let PostgresLocation { user, host, port, database, schema, .. } = location;
    format!("postgres://{user}:${{env:STATE_PASSWORD}}@{host}:{port}/{database}?schema={schema}")
}

/// A connection beside the program's.
pub async fn connect(location: &PostgresLocation) -> sqlx::PgConnection {
    use sqlx::ConnectOptions;
    let url = location.url(&[]).unwrap();
    sqlx::postgres::PgConnectOptions::from_url(&url).unwrap().connect().await.unwrap()
}

pub fn on(location: &PostgresLocation) -> StateLocation {
    StateLocation::Postgres(location.clone())
}
