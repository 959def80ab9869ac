//! Reserved TCP ports on loopback.
//!
//! Envoy listens with `SO_REUSEPORT`, so it would silently share a port with another Envoy. Ports are
//! therefore checked before they are handed out. They come from below the system's range for outgoing
//! connections, and each is protected by a lock file, so that concurrent tests and processes never
//! get the same one.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// The lowest port to hand out.
const FIRST: u16 = 20_000;
/// The number of ports to choose from.
const COUNT: u16 = 12_000;

/// A port, reserved until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The locked file, or `None` for a port chosen by the user.
    _lock: Option<File>,
}

impl Port {
    /// Reserves a port on which nothing listens.
    ///
    /// # Errors
    /// Fails if no port is free, or if the lock files cannot be written.
    pub fn free() -> Result<Self> {
        let dir = lock_dir()?;
        for _ in 0..COUNT {
            if let Some(port) = Self::claim(&dir, candidate())? {
                return Ok(port);
            }
        }
        bail!("expected a free port from {FIRST} to {}, all are in use", FIRST + COUNT - 1)
    }

    /// Returns the port `number`, chosen by the user with the flag `flag`.
    ///
    /// # Errors
    /// Fails if the port is in use or invalid. The error names the port and the flag.
    pub fn named(number: u16, flag: &str) -> Result<Self> {
        if number == 0 {
            bail!("{flag} 0: expected a port from 1 to 65535");
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
            Ok(_) => Ok(Self { number, _lock: None }),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                bail!("port {number} is in use: choose another with {flag}")
            }
            Err(error) => Err(error).with_context(|| {
                format!("cannot listen on port {number}; choose another with {flag}")
            }),
        }
    }

    /// Returns the port's number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Returns the port's loopback address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }

    fn claim(dir: &Path, number: u16) -> Result<Option<Self>> {
        let path = dir.join(number.to_string());
        let lock =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let free =
            lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(free.then_some(Self { number, _lock: Some(lock) }))
    }
}

/// Returns the next port to try. Each process starts with a different one.
fn candidate() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = std::process::id().wrapping_mul(101) % u32::from(COUNT);
    let offset = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    FIRST + u16::try_from((process + offset) % u32::from(COUNT)).unwrap_or(0)
}

/// Returns the folder for the lock files. It is private to the user: in a shared folder, others could
/// plant links.
fn lock_dir() -> Result<PathBuf> {
    let dir = paths::cache_dir()?.join("ports");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn free_ports_differ_while_they_are_held() {
        let ports: Vec<Port> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..8).map(|_| Port::free().unwrap()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 64);
    }

    #[test]
    fn a_held_port_is_not_handed_out_again() {
        let port = Port::free().unwrap();
        assert!(Port::claim(&lock_dir().unwrap(), port.number()).unwrap().is_none());
    }

    #[test]
    fn a_port_in_use_is_named_with_its_flag() {
        let port = Port::free().unwrap();
        let _listener = TcpListener::bind(port.addr()).unwrap();
        assert_eq!(
            Port::named(port.number(), "--gateway-port").unwrap_err().to_string(),
            format!("port {} is in use: choose another with --gateway-port", port.number())
        );
    }
}
