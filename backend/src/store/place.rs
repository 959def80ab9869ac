//! The database's location: a file or a server.
//!
//! Parsed from `DATABASE_URL` by [`crate::config`], opened by [`super::Store`].

use sqlx::postgres::PgConnectOptions;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// The database's location. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// The path of a SQLite database.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database.
    Postgres(Url),
}

/// The database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// The expected forms of `DATABASE_URL`, for error texts.
pub const EXPECTED: &str =
    "sqlite://FILE, such as sqlite://tollgate.db, or postgres://USER@HOST/DATABASE";

impl Place {
    /// Parses a database URL. Returns `None` if it is malformed or unsupported.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("sqlite:") {
            return sqlite_file(text).map(Self::Sqlite);
        }
        let url = Url::parse(text).ok()?;
        let is_postgres = ["postgres", "postgresql"].contains(&url.scheme());
        let names_one = url.has_host() && url.path().len() > 1;
        let is_good = is_postgres && names_one && PgConnectOptions::from_str(text).is_ok();
        is_good.then_some(Self::Postgres(url))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
        }
    }

    /// Returns the location as the URL that sqlx expects.
    pub(super) fn url(&self) -> io::Result<String> {
        match self {
            Self::Sqlite(path) => url_of(path),
            Self::Postgres(url) => Ok(url.to_string()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().unwrap_or(5432);
                write!(f, "postgres://{host}:{port}{}", url.path())
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// Returns the file in `sqlite://FILE` or `sqlite:FILE`. Rejects parameters, because every process
/// must open the database the same way, and `:memory:`, because each connection would get a
/// separate database.
fn sqlite_file(text: &str) -> Option<PathBuf> {
    let rest = text.strip_prefix("sqlite:")?;
    let file = rest.strip_prefix("//").unwrap_or(rest);
    let is_file = !file.is_empty()
        && file != ":memory:"
        && !file.ends_with('/')
        && !file.contains(['?', '\0']);
    is_file.then(|| file.into())
}

/// Builds the URL that sqlx expects, with every special byte escaped.
fn url_of(path: &Path) -> io::Result<String> {
    let absolute = std::path::absolute(path)?;
    let mut url = "sqlite://".to_owned();
    for byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                url.push(char::from(*byte))
            }
            byte => write!(url, "%{byte:02X}").map_err(io::Error::other)?,
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_password() {
        let place = Place::parse("postgres://me:secret@db.example:5433/resumes?sslmode=require");
        let shown = format!("{0} {0:?}", place.unwrap());
        let plain = "postgres://db.example:5433/resumes";
        assert_eq!(shown, format!("{plain} Place({plain})"));
    }

    #[test]
    fn malformed_urls_are_rejected() {
        for bad in [
            "tollgate.db",
            "sqlite://",
            "sqlite::memory:",
            "sqlite:///tmp/",
            "sqlite://a?mode=ro",
            "postgres://",
            "postgres://db",
            "postgres://db/",
            "postgres://db:x/y",
            "postgres://db/x?sslmode=maybe",
            "mysql://db/x",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
        for good in ["sqlite:x.db", "postgres://db/x", "postgresql://me:secret@[::1]:5432/x"] {
            assert!(Place::parse(good).is_some(), "{good}");
        }
    }
}
