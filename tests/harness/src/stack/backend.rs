//! The companion API.

use super::port::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The settings of a backend.
#[derive(Debug)]
pub struct Options<'a> {
    /// The `tollgate-backend` binary ([`crate::binaries::build`]).
    pub program: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// The URL of the cache's Redis, if any.
    pub redis_url: Option<String>,
    /// The URL of the shim to ask for remaining quotas, if any.
    pub shim_url: Option<String>,
    /// The folder for the log and the database.
    pub dir: &'a Path,
    /// Additional variables: `("ACCESS_TOKEN_TTL", "60")`.
    pub env: Vec<(String, OsString)>,
}

/// Starts a backend and waits until it is healthy.
///
/// # Errors
/// Fails if the backend does not become healthy.
pub fn start(options: Options<'_>) -> Result<Server> {
    ensure_dir(options.dir)?;
    let number = options.port.number();
    let mut database = OsString::from("sqlite://");
    database.push(options.dir.join(format!("backend-{number}.db")));
    let mut env = vec![
        ("LISTEN_ADDR".to_owned(), Some(options.port.addr().to_string().into())),
        ("DATABASE_URL".to_owned(), Some(database)),
        ("REDIS_URL".to_owned(), options.redis_url.map(OsString::from)),
        ("TOLLGATE_URL".to_owned(), options.shim_url.map(OsString::from)),
    ];
    env.extend(options.env.into_iter().map(|(name, value)| (name, Some(value))));
    let spec = Spec {
        name: "the backend".to_owned(),
        program: options.program,
        args: Vec::new(),
        env,
        dir: options.dir.to_owned(),
        log: log_file(options.dir, "backend", number),
    };
    let mut server = Server::start(spec, options.port, None, Probe::Get("/health".to_owned()))?;
    server.wait_ready()?;
    Ok(server)
}
