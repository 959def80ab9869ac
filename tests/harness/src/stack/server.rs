//! A server: its process, its ports and its readiness probe.

use super::health::{self, Answer};
use super::port::Port;
use super::process::{Process, Spec};
use crate::clock::Deadline;
use anyhow::Result;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// The default timeout for a server to become ready. It usually takes well under a second, but much
/// longer on a busy machine.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// A readiness probe.
#[derive(Debug, Clone)]
pub enum Probe {
    /// A Redis PING is answered.
    Ping,
    /// A GET of this path answers 200.
    Get(String),
    /// A GET of this path on the admin port answers 200.
    GetAdmin(String),
}

/// A running server. It dereferences to its [`Process`].
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: Port,
    admin: Option<Port>,
    probe: Probe,
}

impl Server {
    /// Starts a server without waiting until it is ready.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn start(spec: Spec, port: Port, admin: Option<Port>, probe: Probe) -> Result<Self> {
        Ok(Self { process: Process::start(spec)?, port, admin, probe })
    }

    /// Waits until the server is ready, for at most [`READY_LIMIT`].
    ///
    /// # Errors
    /// Same as [`Process::wait_until`].
    pub fn wait_ready(&mut self) -> Result<()> {
        self.wait_ready_until(Deadline::after(READY_LIMIT))
    }

    /// Waits until the server is ready, at most until `deadline`.
    ///
    /// # Errors
    /// Same as [`Process::wait_until`].
    pub fn wait_ready_until(&mut self, deadline: Deadline) -> Result<()> {
        let (addr, admin, probe) = (self.addr(), self.admin_addr(), self.probe.clone());
        self.process.wait_until(deadline, || match &probe {
            Probe::Ping => health::ping(addr),
            Probe::Get(path) => health::is_ok(addr, path),
            Probe::GetAdmin(path) => admin.is_some_and(|admin| health::is_ok(admin, path)),
        })
    }

    /// Returns the server's address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Returns the server's port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the address of the admin port, if the server has one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Port::addr)
    }

    /// Returns `http://127.0.0.1:PORT` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// Sends a GET of `path` on a new connection.
    ///
    /// # Errors
    /// Same as [`health::get`].
    pub fn get(&self, path: &str) -> Result<Answer> {
        health::get(self.addr(), path)
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
