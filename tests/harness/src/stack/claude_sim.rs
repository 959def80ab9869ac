//! `claude-sim`, a simulator of the Claude Messages API.

use super::port::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An API key for the backend. The simulator accepts any.
pub const KEY: &str = "claude-sim";
/// The variable with the backend's API key for Claude.
pub const API_KEY: &str = "ANTHROPIC_API_KEY";
/// The variable with the base URL of the Claude API.
pub const BASE_URL: &str = "ANTHROPIC_BASE_URL";

/// The settings of a simulator.
#[derive(Debug)]
pub struct Options<'a> {
    /// The `claude-sim` binary ([`crate::binaries::build`]).
    pub program: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// The folder for the log.
    pub dir: &'a Path,
    /// Additional flags: `["--latency-ms", "500"]`.
    pub args: Vec<String>,
}

/// Starts a simulator and waits until it is healthy.
///
/// # Errors
/// Fails if the simulator does not become healthy.
pub fn start(options: Options<'_>) -> Result<Server> {
    ensure_dir(options.dir)?;
    let number = options.port.number();
    let mut args: Vec<OsString> = vec!["--listen".into(), options.port.addr().to_string().into()];
    args.extend(options.args.into_iter().map(OsString::from));
    let spec = Spec {
        name: "claude-sim".to_owned(),
        program: options.program,
        args,
        env: Vec::new(),
        dir: options.dir.to_owned(),
        log: log_file(options.dir, "claude-sim", number),
    };
    let mut server = Server::start(spec, options.port, None, Probe::Get("/sim/health".to_owned()))?;
    server.wait_ready()?;
    Ok(server)
}

/// Returns the variables that point a backend at `sim`. The list is empty if `sim` is `None`.
#[must_use]
pub fn backend_vars(sim: Option<&Server>) -> Vec<(String, OsString)> {
    let Some(sim) = sim else { return Vec::new() };
    vec![(API_KEY.to_owned(), KEY.into()), (BASE_URL.to_owned(), sim.url("").into())]
}
