//! A temporary PostgreSQL server.

use super::Port;
use super::process::{Process, Spec, ensure_dir, log_file};
use super::server::READY_LIMIT;
use crate::clock::Deadline;
use crate::{command, env, setup};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The timeout of creating a data folder.
const INIT_LIMIT: Duration = Duration::from_secs(120);
/// The time that the server has to shut down before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// The superuser. Connections from loopback need no password.
const USER: &str = "tollgate";

/// A running server. It dereferences to its [`Process`].
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: Port,
    programs: PathBuf,
}

impl Postgres {
    /// Starts a server with a new data folder in `dir`, and waits until it is ready.
    ///
    /// # Errors
    /// Fails if PostgreSQL is missing or does not become ready.
    pub fn start(dir: &Path) -> Result<Self> {
        let (programs, port) = (setup::postgres()?, Port::free()?);
        ensure_dir(dir)?;
        let data = dir.join("postgres");
        init(&programs, &data)?;
        let (program, mut args) = unprivileged(&programs.join("postgres"))?;
        args.extend(arguments(&data, port.number()));
        let spec = Spec {
            name: "PostgreSQL".to_owned(),
            program,
            args,
            env: vec![("LC_ALL".to_owned(), Some("C".into()))],
            dir: dir.to_owned(),
            log: log_file(dir, "postgres", port.number()),
        };
        let mut server = Self { process: Process::start(spec)?, port, programs };
        server.wait_ready()?;
        Ok(server)
    }

    /// Waits until the server accepts connections.
    ///
    /// # Errors
    /// Same as [`Process::wait_until`].
    pub fn wait_ready(&mut self) -> Result<()> {
        let port = self.port.number().to_string();
        let program = self.programs.join("pg_isready");
        self.process.wait_until(Deadline::after(READY_LIMIT), || {
            let mut ask = Command::new(&program);
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            command::output(&mut ask, READY_LIMIT).is_ok()
        })
    }

    /// Returns the server's address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Returns the URL of the database `name`. The database need not exist.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port.number())
    }
}

impl Deref for Postgres {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A clean shutdown releases the shared memory. After the grace period it is killed.
        let _ended = self.process.stop(GRACE);
    }
}

fn init(programs: &Path, data: &Path) -> Result<()> {
    let (program, args) = unprivileged(&programs.join("initdb"))?;
    let mut initdb = Command::new(program);
    initdb.args(args).arg("-D").arg(data);
    initdb.args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    command::output(&mut initdb, INIT_LIMIT).map(drop).context("cannot create a data folder")
}

/// Returns the server's arguments. It listens on loopback only and does not sync to disk: the data
/// survives a kill of the server, but not a power failure.
fn arguments(data: &Path, port: u16) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-D".into(), data.into()];
    let port = format!("port={port}");
    for setting in [
        "listen_addresses=127.0.0.1",
        &port,
        "unix_socket_directories=",
        "max_connections=300",
        "shared_buffers=32MB",
        "dynamic_shared_memory_type=mmap",
        "fsync=off",
        "full_page_writes=off",
    ] {
        arguments.extend(["-c".into(), setting.into()]);
    }
    arguments
}

/// Returns the command line that runs `program` without root.
///
/// PostgreSQL refuses to run as root. If this process is root, the program runs in a user namespace,
/// where it is an ordinary user that can still access our files. Entering the namespace clears the
/// parent death signal, so it is set again there.
fn unprivileged(program: &Path) -> Result<(PathBuf, Vec<OsString>)> {
    if !rustix::process::geteuid().is_root() {
        return Ok((program.to_owned(), Vec::new()));
    }
    let tool = |name: &str| {
        env::on_path(name).with_context(|| format!("{name} (util-linux) is not on the PATH"))
    };
    let (unshare, setpriv) = (tool("unshare")?, tool("setpriv")?);
    let mut args: Vec<OsString> = vec!["--user".into(), "--map-user=1000".into(), "--ipc".into()];
    args.extend(["--".into(), setpriv.into(), "--pdeathsig".into(), "KILL".into(), "--".into()]);
    args.push(program.into());
    Ok((unshare, args))
}
