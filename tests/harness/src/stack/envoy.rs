//! Envoy with the filter.

use super::port::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use crate::envoy_config::{Rendered, filter};
use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The settings of an Envoy.
#[derive(Debug)]
pub struct Options<'a> {
    /// The Envoy binary ([`crate::setup::envoy`]).
    pub program: PathBuf,
    /// The gateway's port, which must match `config`.
    pub gateway: Port,
    /// The admin interface's port, which must match `config`.
    pub admin: Port,
    /// The configuration ([`crate::envoy_config::render`]).
    pub config: &'a Rendered,
    /// The number of worker threads.
    pub workers: u32,
    /// The folder for the configuration and the log.
    pub dir: &'a Path,
    /// Additional variables, for the dynamic module.
    pub env: Vec<(String, OsString)>,
}

/// Starts an Envoy and waits until it is ready.
///
/// # Errors
/// Fails if Envoy does not become ready.
pub fn start(options: Options<'_>) -> Result<Server> {
    ensure_dir(options.dir)?;
    let number = options.gateway.number();
    let mut config = options.config.clone();
    let filter = filter_file(options.dir, number);
    if let Some(content) = &options.config.filter {
        config.watch(&filter)?;
        filter::put_private(content, &filter)?;
    }
    let config = write_config(options.dir, number, &config.envoy)?;
    let mut args = common_args(&config);
    let workers = options.workers.to_string();
    // Flush the access log every 50 ms instead of every 10 s, since it is shown live.
    let more = ["--concurrency", &workers, "--file-flush-interval-msec", "50"];
    args.extend(more.iter().map(OsString::from));
    let spec = Spec {
        name: "Envoy".to_owned(),
        program: options.program,
        args,
        env: options.env.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        dir: options.dir.to_owned(),
        log: log_file(options.dir, "envoy", number),
    };
    let ready = Probe::GetAdmin("/ready".to_owned());
    let mut server = Server::start(spec, options.gateway, Some(options.admin), ready)?;
    server.wait_ready()?;
    Ok(server)
}

/// Returns the path of the filter's file of the Envoy that listens on port `number` and runs in `dir`.
#[must_use]
pub fn filter_file(dir: &Path, number: u16) -> PathBuf {
    dir.join(format!("tollgate-{number}.json"))
}

fn common_args(config: &Path) -> Vec<OsString> {
    // With hot restart, Envoy would end with its parent's shell and collide with other Envoys.
    let fixed = [
        "--disable-hot-restart",
        "-l",
        "warning",
        "--component-log-level",
        "wasm:info,dynamic_modules:info",
    ];
    let mut args: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    args.extend(["-c".into(), config.into()]);
    args
}

fn write_config(dir: &Path, number: u16, config: &Value) -> Result<PathBuf> {
    let file = dir.join(format!("envoy-{number}.json"));
    let text = serde_json::to_vec_pretty(config).context("cannot write Envoy's configuration")?;
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
