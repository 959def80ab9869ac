//! A TCP proxy that drops messages on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The treatment of the next script that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Forwards the script and its reply.
    Pass,
    /// Cuts the connection without forwarding the script, so it never runs.
    CutBefore,
    /// Forwards the script and cuts the connection at once. The script may have run, but the client
    /// never gets a reply.
    CutAfter,
    /// Forwards the script, and cuts the connection instead of forwarding its reply. The script
    /// ran.
    CutReply,
    /// Forwards the script and drops its reply, but keeps the connection open.
    Swallow,
}

/// A proxy for one server. It ends with the process.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    fate: Mutex<Fate>,
    scripts: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy for `server`.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let state = State { server, fate: Mutex::new(Fate::Pass), scripts: AtomicUsize::new(0) };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || forward(client, &state));
            }
        });
        Self { addr, state }
    }

    /// Returns the address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its address as a ledger URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Sets the treatment of the next script. Later ones are forwarded.
    ///
    /// # Panics
    /// Never panics in practice, because no thread panics while holding the lock.
    pub fn next_script(&self, fate: Fate) {
        *self.state.fate.lock().expect("no panic") = fate;
    }

    /// Returns the number of scripts that clients have sent.
    #[must_use]
    pub fn scripts(&self) -> usize {
        self.state.scripts.load(Ordering::SeqCst)
    }
}

/// Forwards one connection in both directions.
fn forward(client: TcpStream, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(state.server) else { return };
    let drop_replies = Arc::new(Mutex::new(Fate::Pass));
    let back = {
        let (from, to) = (server.try_clone(), client.try_clone());
        let fate = Arc::clone(&drop_replies);
        let (Ok(from), Ok(to)) = (from, to) else { return };
        thread::spawn(move || replies(from, to, &fate))
    };
    requests(&client, &server, state, &drop_replies);
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    let _ = back.join();
}

fn requests(mut client: &TcpStream, mut server: &TcpStream, state: &State, replies: &Mutex<Fate>) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..length];
        let scripts = bytes.windows(7).filter(|window| window == b"EVALSHA").count();
        let mut fate = Fate::Pass;
        if scripts > 0 {
            state.scripts.fetch_add(scripts, Ordering::SeqCst);
            fate = std::mem::replace(&mut *state.fate.lock().expect("no panic"), Fate::Pass);
            *replies.lock().expect("no panic") = fate;
        }
        if fate == Fate::CutBefore || server.write_all(bytes).is_err() || fate == Fate::CutAfter {
            return;
        }
    }
}

fn replies(mut server: TcpStream, mut client: TcpStream, fate: &Mutex<Fate>) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        let fate = *fate.lock().expect("no panic");
        match fate {
            Fate::Swallow | Fate::CutAfter => continue,
            Fate::CutReply => break,
            _ => {}
        }
        if client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
