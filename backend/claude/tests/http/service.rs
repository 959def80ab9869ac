//! A test server that speaks just enough HTTP and can cut off a response anywhere.

use crate::reply::{Reply, Then};
use serde_json::Value;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A server on loopback for one test. It ends with the test's runtime.
pub(crate) struct Service {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    /// One permit for each reply that can be sent.
    gate: Semaphore,
}

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Service {
    /// Starts a server that sends `replies` in order and repeats the last one.
    pub(crate) async fn start(replies: impl Into<Vec<Reply>>) -> Self {
        Self::with_gate(replies, Semaphore::MAX_PERMITS).await
    }

    /// Starts a server that holds each reply until the test [lets it through](Self::let_through).
    pub(crate) async fn gated(replies: impl Into<Vec<Reply>>) -> Self {
        Self::with_gate(replies, 0).await
    }

    async fn with_gate(replies: impl Into<Vec<Reply>>, open: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into().into()),
            received: Mutex::default(),
            connections: AtomicUsize::default(),
            gate: Semaphore::new(open),
        });
        tokio::spawn(Arc::clone(&shared).serve(listener));
        Self { url, shared }
    }

    /// Lets the next `replies` replies be sent.
    pub(crate) fn let_through(&self, replies: usize) {
        self.shared.gate.add_permits(replies);
    }

    /// Returns the requests received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Returns the number of requests received so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// Returns the number of connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until `times` requests have been received.
    pub(crate) async fn wait_for_requests(&self, times: usize) {
        wait_until("requests arrive", || self.count() >= times).await;
    }
}

/// Waits for an event in another task, for at most a minute.
pub(crate) async fn wait_until(what: &str, happens: impl Fn() -> bool) {
    let happened = async {
        while !happens() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), happened).await.expect(what);
}

impl Shared {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(Arc::clone(&self).answer(connection));
        }
    }

    async fn answer(self: Arc<Self>, connection: TcpStream) -> Option<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let received = read(&mut connection).await?;
            self.received.lock().unwrap().push(received);
            self.gate.acquire().await.ok()?.forget();
            let reply = self.next();
            connection.write_all(&reply.bytes).await.ok()?;
            match reply.then {
                Then::Close => return Some(()),
                Then::Hang => pending::<()>().await,
                Then::KeepAlive => {}
            }
        }
    }

    fn next(&self) -> Reply {
        let mut replies = self.replies.lock().unwrap();
        match replies.len() {
            1 => replies.front().unwrap().clone(),
            _ => replies.pop_front().unwrap(),
        }
    }
}

async fn read(connection: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).await.ok()?;
    Some(Received { head, body: serde_json::from_slice(&body).unwrap() })
}
