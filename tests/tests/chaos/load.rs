//! The clients. Each sends requests to one Envoy on its own connection, for random users, and
//! sometimes disconnects before the answer.

use super::history::{Passed, Payer};
use harness::clock::Stopwatch;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The header with the user.
pub(super) const USER: &str = "x-user";
/// The header with the sending time, in µs by the test's clock.
pub(super) const SENT: &str = "x-sent-us";
/// The paths and their share of requests, in tenths.
pub(super) const PATHS: [(&str, usize); 4] =
    [("/strict", 3), ("/hot", 4), ("/near", 2), ("/open", 1)];
const USERS: u64 = 2;
/// The time without an answer after which a request counts as stuck.
const STUCK: Duration = Duration::from_secs(30);
/// One in this many requests is abandoned before its answer.
const LEAVES_ONE_IN: u64 = 20;

/// The clients' record.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Counts of answers by status and verdict, such as `200` or `200 degraded`.
    pub(super) answers: BTreeMap<String, u64>,
    /// Requests admitted without the ledger, by path, user and Envoy.
    pub(super) degraded: BTreeMap<Payer, Vec<Passed>>,
    /// Requests admitted by the ledger, by path and user.
    pub(super) decided: BTreeMap<Payer, Vec<Passed>>,
    pub(super) left_early: u64,
    pub(super) stuck: Vec<String>,
    /// Connections that ended before the answer.
    pub(super) broken: Vec<String>,
    pub(super) waits: Vec<Duration>,
}

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) envoy: usize,
    pub(super) to: SocketAddr,
    pub(super) clock: Stopwatch,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) ends: Arc<AtomicBool>,
}

/// A seeded pseudo-random number generator (splitmix64).
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

impl Load {
    /// Sends requests until `ends` is set.
    pub(super) async fn run(self, mut dice: Dice) {
        let mut connection = None;
        while !self.ends.load(Ordering::Relaxed) {
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => match self.connect().await {
                    Some(sender) => sender,
                    None => continue,
                },
            };
            if self.ask(&mut sender, &mut dice).await && sender.ready().await.is_ok() {
                connection = Some(sender);
            }
            sleep(Duration::from_millis(dice.roll(8))).await;
        }
    }

    async fn connect(&self) -> Option<SendRequest<Empty<Bytes>>> {
        let stream = TcpStream::connect(self.to).await.ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    /// Sends one request. Returns true if the connection can be reused.
    async fn ask(&self, sender: &mut SendRequest<Empty<Bytes>>, dice: &mut Dice) -> bool {
        let (path, user) = (path_of(dice.roll(10)), format!("user-{}", dice.roll(USERS)));
        let sent = self.clock.elapsed();
        let request = Request::get(path)
            .header("host", "gateway")
            .header(USER, &user)
            .header(SENT, sent.as_micros().to_string())
            .body(Empty::new())
            .unwrap();
        let answer = sender.send_request(request);
        if dice.roll(LEAVES_ONE_IN) == 0 {
            let patience = Duration::from_micros(dice.roll(3_000));
            if timeout(patience, answer).await.is_err() {
                self.seen.lock().unwrap().left_early += 1;
            }
            return false;
        }
        let answered = timeout(STUCK, answer).await;
        let arrived = self.clock.elapsed();
        match answered {
            Err(_) => {
                self.seen.lock().unwrap().stuck.push(format!("{path} {user}, sent at {sent:?}"));
                false
            }
            Ok(Err(error)) => {
                self.seen.lock().unwrap().broken.push(format!("{path} {user}: {error}"));
                false
            }
            Ok(Ok(reply)) => {
                let degraded = reply.headers().contains_key("tollgate-verdict");
                let status = reply.status().as_u16();
                let is_whole = reply.into_body().collect().await.is_ok();
                self.note(path, user, Passed { sent, arrived }, (status, degraded));
                is_whole
            }
        }
    }

    fn note(&self, path: &str, user: String, passed: Passed, (status, degraded): (u16, bool)) {
        let mut seen = self.seen.lock().unwrap();
        let verdict = if degraded { " degraded" } else { "" };
        *seen.answers.entry(format!("{status}{verdict}")).or_default() += 1;
        seen.waits.push(passed.arrived - passed.sent);
        if status == 200 && degraded {
            let payer = (path.to_owned(), format!("{user} at Envoy {}", self.envoy));
            seen.degraded.entry(payer).or_default().push(passed);
        } else if status == 200 {
            seen.decided.entry((path.to_owned(), user)).or_default().push(passed);
        }
    }
}

fn path_of(roll: u64) -> &'static str {
    let mut left = usize::try_from(roll).unwrap();
    for (path, share) in PATHS {
        if left < share {
            return path;
        }
        left -= share;
    }
    PATHS[0].0
}
