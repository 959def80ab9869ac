//! A server: its process, its ports, and how to see that it is ready.

use super::health::{self, Answer};
use super::port::Port;
use super::process::{Process, Spec};
use crate::clock::Deadline;
use anyhow::Result;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// How long a server may take to get ready, unless said otherwise. They take well under a second;
/// a busy machine may take long.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// How to see that a server is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// It answers PING.
    Ping,
    /// A GET of this path answers 200.
    Get(String),
    /// A GET of this path on the admin port answers 200.
    GetAdmin(String),
}

/// A running server. What [`Process`] can do, it can too.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: Port,
    admin: Option<Port>,
    probe: Probe,
}

impl Server {
    /// Starts it, without waiting until it is ready.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(spec: Spec, port: Port, admin: Option<Port>, probe: Probe) -> Result<Self> {
        Ok(Self { process: Process::start(spec)?, port, admin, probe })
    }

    /// Waits until it is ready: at most [`READY_LIMIT`].
    ///
    /// # Errors
    /// As [`Process::wait_until`].
    pub fn wait_ready(&mut self) -> Result<()> {
        self.wait_ready_until(Deadline::after(READY_LIMIT))
    }

    /// Waits until it is ready: until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Process::wait_until`].
    pub fn wait_ready_until(&mut self, deadline: Deadline) -> Result<()> {
        let (addr, admin, probe) = (self.addr(), self.admin_addr(), self.probe.clone());
        self.process.wait_until(deadline, || match &probe {
            Probe::Ping => health::ping(addr),
            Probe::Get(path) => health::is_ok(addr, path),
            Probe::GetAdmin(path) => admin.is_some_and(|admin| health::is_ok(admin, path)),
        })
    }

    /// The address that it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The port that it serves.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The address that its operators use, if it has one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Port::addr)
    }

    /// `http://127.0.0.1:PORT` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// One GET of `path`, on a connection of its own.
    ///
    /// # Errors
    /// As [`health::get`].
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
