//! `tollgate serve`: HTTP in front of the ledger.

use super::port::Port;
use super::process::{Spec, ensure_dir, log_file};
use super::server::{Probe, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The settings of a shim.
#[derive(Debug)]
pub struct Options<'a> {
    /// The `tollgate` binary ([`crate::binaries::build`]).
    pub program: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// The ledger's URL: `redis://…` or `memory:`.
    pub ledger: String,
    /// The admin API's port and bearer token, or `None` to leave it closed.
    pub admin: Option<(Port, String)>,
    /// The folder for the log.
    pub dir: &'a Path,
    /// Additional variables: `("TOLLGATE_LOG", "debug")`.
    pub env: Vec<(String, OsString)>,
}

/// Starts a shim without waiting. It becomes ready only once its ledger is ([`Server::wait_ready`]).
///
/// # Errors
/// Fails if the shim cannot be started.
pub fn start(options: Options<'_>) -> Result<Server> {
    ensure_dir(options.dir)?;
    let number = options.port.number();
    let listen = options.port.addr().to_string();
    let serve = ["serve", "--listen", &listen, "--ledger", &options.ledger];
    let mut args: Vec<OsString> = serve.iter().map(OsString::from).collect();
    let (admin, token) = options.admin.unzip();
    if let Some(admin) = &admin {
        args.extend(["--admin-listen".into(), admin.addr().to_string().into()]);
    }
    let mut env = vec![("TOLLGATE_ADMIN_TOKEN".to_owned(), token.map(OsString::from))];
    env.extend(options.env.into_iter().map(|(name, value)| (name, Some(value))));
    let spec = Spec {
        name: "the shim".to_owned(),
        program: options.program,
        args,
        env,
        dir: options.dir.to_owned(),
        log: log_file(options.dir, "shim", number),
    };
    Server::start(spec, options.port, admin, Probe::Get("/healthz".to_owned()))
}
