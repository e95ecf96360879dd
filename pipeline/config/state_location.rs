//! Where an environment keeps its state: a file of this machine, or a database that several machines share.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// An SQLite file on a local disk.
    File(PathBuf),
    Postgres(PostgresLocation),
}

/// A schema in a PostgreSQL database.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresLocation {
    pub user: String,
    /// Where there is none, `PGPASSWORD` and `~/.pgpass` are asked, as by every client of PostgreSQL.
    pub password: Option<String>,
    /// A name, an address, or the folder of a Unix socket.
    pub host: String,
    pub port: u16,
    pub database: String,
    /// A plain name; the tables are in it, and nobody else's.
    pub schema: String,
    /// `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, as libpq means them.
    pub tls: Vec<(String, String)>,
}

impl PostgresLocation {
    /// The schema, where none is named.
    pub const DEFAULT_SCHEMA: &str = "lifecycle";

    /// The URL for the driver, with the password and with settings of the session.
    pub fn url(&self, settings: &[(&str, &str)]) -> Result<Url, url::ParseError> {
        // As options nothing needs to be escaped in a way of its own.
        let mut url = Url::parse("postgres://")?;
        {
            let mut options = url.query_pairs_mut();
            options.append_pair("host", &self.host).append_pair("port", &self.port.to_string());
            options.append_pair("user", &self.user).append_pair("dbname", &self.database);
            if let Some(password) = &self.password {
                options.append_pair("password", password);
            }
            for (name, value) in &self.tls {
                options.append_pair(name, value);
            }
            for (name, value) in settings {
                options.append_pair(name, value);
            }
        }
        Ok(url)
    }
}

impl fmt::Display for PostgresLocation {
    /// The address without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, database, schema, .. } = self;
        match host.contains(':') {
            true => write!(formatter, "postgres://{user}@[{host}]:{port}/{database}")?,
            false => write!(formatter, "postgres://{user}@{host}:{port}/{database}")?,
        }
        if schema == Self::DEFAULT_SCHEMA { Ok(()) } else { write!(formatter, "?schema={schema}") }
    }
}

impl fmt::Debug for PostgresLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for StateLocation {
    /// The path, or the address without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateLocation::File(path) => path.display().fmt(formatter),
            StateLocation::Postgres(location) => location.fmt(formatter),
        }
    }
}

impl From<PathBuf> for StateLocation {
    fn from(path: PathBuf) -> Self {
        StateLocation::File(path)
    }
}

impl From<&PathBuf> for StateLocation {
    fn from(path: &PathBuf) -> Self {
        StateLocation::File(path.clone())
    }
}

impl From<&Path> for StateLocation {
    fn from(path: &Path) -> Self {
        StateLocation::File(path.to_owned())
    }
}

impl From<&StateLocation> for StateLocation {
    fn from(location: &StateLocation) -> Self {
        location.clone()
    }
}
