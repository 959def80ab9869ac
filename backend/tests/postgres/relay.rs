//! A TCP relay between the backend and its database. While frozen, it passes no bytes but keeps
//! connections open.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The interval of polling while frozen.
const POLL: Duration = Duration::from_millis(10);

/// A relay. Its threads end with their connections, or with the test's process.
pub(crate) struct Relay {
    addr: SocketAddr,
    frozen: Arc<AtomicBool>,
}

impl Relay {
    /// Starts a relay to `server`.
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, frozen) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let is_frozen = Arc::clone(&frozen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) else { continue };
                let frozen = [Arc::clone(&is_frozen), Arc::clone(&is_frozen)];
                let [one, other] = frozen;
                thread::spawn(move || pass(client, server, &one));
                thread::spawn(move || pass(from, to, &other));
            }
        });
        Self { addr, frozen }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
    }
}

/// Forwards bytes until one side closes.
fn pass(mut from: TcpStream, mut to: TcpStream, frozen: &AtomicBool) {
    let mut buffer = [0; 8 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        while frozen.load(Ordering::SeqCst) {
            thread::sleep(POLL);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ended = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
