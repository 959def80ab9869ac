//! A Redis-compatible server without persistence.

use super::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The settings of a server.
#[derive(Debug)]
pub struct Options<'a> {
    /// The server's binary ([`crate::setup::redis`] or a [`crate::setup::PinnedRedis`]).
    pub program: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// The folder for the log and other files.
    pub dir: &'a Path,
    /// Additional arguments: `["--cluster-enabled", "yes"]`.
    pub args: Vec<String>,
}

impl<'a> Options<'a> {
    /// Returns the settings of the default server on a free port.
    ///
    /// # Errors
    /// Fails if the server cannot be set up or no port is free.
    pub fn new(dir: &'a Path) -> Result<Self> {
        Ok(Self { program: crate::setup::redis()?, port: Port::free()?, dir, args: Vec::new() })
    }
}

/// Starts a server and waits until it answers.
///
/// # Errors
/// Fails if the server does not become ready.
pub fn start(options: Options<'_>) -> Result<Server> {
    let number = options.port.number();
    ensure_dir(options.dir)?;
    let port = number.to_string();
    let fixed = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let mut args: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    args.extend(["--dir".into(), options.dir.into()]);
    args.extend(options.args.into_iter().map(OsString::from));
    let spec = Spec {
        name: "Redis".to_owned(),
        program: options.program,
        args,
        env: Vec::new(),
        dir: options.dir.to_owned(),
        log: log_file(options.dir, "redis", number),
    };
    let mut server = Server::start(spec, options.port, None, Probe::Ping)?;
    server.wait_ready()?;
    Ok(server)
}

/// Returns the `redis://` URL of `server`.
#[must_use]
pub fn url(server: &Server) -> String {
    format!("redis://{}", server.addr())
}
