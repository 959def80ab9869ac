//! A TCP proxy that loses what it is told to lose.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of the next script that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It passes, and its reply too.
    Pass,
    /// It is dropped, and the connection cut: it never ran.
    CutBefore,
    /// It reaches the server, and the connection is cut at once: it may have run, and no reply to it
    /// comes through.
    CutAfter,
    /// It reaches the server, whose reply is dropped, and the connection cut: it ran.
    CutReply,
    /// It reaches the server, whose reply is dropped, while the connection stays: silence.
    Swallow,
}

/// A proxy before one server. It ends with the process.
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
    /// A proxy before `server`.
    ///
    /// # Panics
    /// Where it cannot listen.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let state = State { server, fate: Mutex::new(Fate::Pass), scripts: AtomicUsize::new(0) };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || carry(client, &state));
            }
        });
        Self { addr, state }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a ledger's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// What becomes of the next script; those after it pass.
    ///
    /// # Panics
    /// Never: nothing panics with the lock held.
    pub fn next_script(&self, fate: Fate) {
        *self.state.fate.lock().expect("no panic") = fate;
    }

    /// How many scripts clients have sent.
    #[must_use]
    pub fn scripts(&self) -> usize {
        self.state.scripts.load(Ordering::SeqCst)
    }
}

/// Carries one connection in both directions.
fn carry(client: TcpStream, state: &Arc<State>) {
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
