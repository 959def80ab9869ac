//! A Redis-compatible server that keeps nothing on disk.

use super::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What to start.
#[derive(Debug)]
pub struct Options<'a> {
    /// The server ([`crate::setup::redis`] or a [`crate::setup::PinnedRedis`]).
    pub program: PathBuf,
    /// Where it listens.
    pub port: Port,
    /// A folder for its log and whatever else it writes.
    pub dir: &'a Path,
    /// More arguments: `["--cluster-enabled", "yes"]`.
    pub args: Vec<String>,
}

impl<'a> Options<'a> {
    /// The usual one, on a free port.
    ///
    /// # Errors
    /// Where there is no server or no free port.
    pub fn new(dir: &'a Path) -> Result<Self> {
        Ok(Self { program: crate::setup::redis()?, port: Port::free()?, dir, args: Vec::new() })
    }
}

/// Starts it and waits until it answers.
///
/// # Errors
/// Where it does not get ready.
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

/// The URL of a Redis started here.
#[must_use]
pub fn url(server: &Server) -> String {
    format!("redis://{}", server.addr())
}
