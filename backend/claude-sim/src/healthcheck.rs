//! `claude-sim healthcheck`: asks the server in the same container how it is.
//!
//! Plain blocking HTTP by hand, so that an image needs no `curl`.

use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long each step may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of the reply that are looked at.
const MAX_REPLY_BYTES: u64 = 4096;
const PATH: &str = "/sim/health";

/// Asks the server that listens on `listen`.
///
/// # Errors
/// Why it is not well, in one sentence.
pub fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let address = reachable(listen);
    let reply = ask(address).with_context(|| format!("GET http://{address}{PATH}"))?;
    let status_line = reply.lines().next().unwrap_or_default();
    if !status_line.starts_with("HTTP/1.1 200 ") {
        bail!("GET http://{address}{PATH}: expected 200, found {status_line:?}");
    }
    Ok(())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.take(MAX_REPLY_BYTES).read_to_end(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// Where a server that listens on all addresses can be reached.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
