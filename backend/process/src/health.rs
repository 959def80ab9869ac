//! The health check that a container runs against its own server.
//!
//! Speaks plain blocking HTTP, so the image needs no `curl` and the check needs no async runtime.

use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The timeout of each step.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of the reply that are read.
const MAX_REPLY_BYTES: u64 = 4096;

/// Requests `path` from the server that listens on `listen`. Succeeds if it answers 200.
///
/// # Errors
/// Fails if the server is unreachable or answers another status. The message names the URL.
pub fn check(listen: SocketAddr, path: &str) -> anyhow::Result<()> {
    let address = reachable(listen);
    let reply = ask(address, path).with_context(|| format!("GET http://{address}{path}"))?;
    let status_line = reply.lines().next().unwrap_or_default();
    if !status_line.starts_with("HTTP/1.1 200 ") {
        bail!("GET http://{address}{path}: expected 200, found {status_line:?}");
    }
    Ok(())
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.take(MAX_REPLY_BYTES).read_to_end(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// Returns an address that reaches a server listening on `listen`.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspecified_addresses_are_reached_on_loopback() {
        let check = |listen: &str, expected: &str| {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        };
        check("0.0.0.0:8000", "127.0.0.1:8000");
        check("[::]:8000", "[::1]:8000");
        check("127.0.0.1:1", "127.0.0.1:1");
        check("192.0.2.1:1", "192.0.2.1:1");
    }
}
