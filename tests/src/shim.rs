//! Shims before a ledger of their own, and a client that asks them as the filter does.
//!
//! For `tests/shim_*.rs`. [`proxy`] stands between a shim and Redis where a test wants the network to
//! fail; [`cluster`] is a Redis Cluster of real processes.

pub mod cluster;
pub mod proxy;

use crate::client::Reply;
use crate::gateway::binaries;
use crate::midnight;
use cluster::Cluster;
use harness::clock::Deadline;
use harness::stack::{Port, Server, redis, shim};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use limits::counter::{CounterName, Identity};
use limits::quota::{
    FixedWindow, Limit, Period, Quota, SlidingWindow, TimeZone, TokenBucket, WindowMs,
};
use limits::wire::{
    Charge, ChargeOutcome, Cost, DecideBody, DecideReply, Decision, PeekBody, PeekReply, Request,
    Settle, SettleAmount, SettleBody, SettleCharge, SettleReply,
};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// The admin API's token in tests.
pub const TOKEN: &str = "a-token-for-tests-only";
/// Variables of a shim that waits for its ledger for as long as a busy machine may take. Tests of
/// its time-outs set their own.
pub const PATIENT: [(&str, &str); 2] =
    [("TOLLGATE_DEADLINE_MS", "30000"), ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "20000")];
/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Which ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// `memory:`
    Memory,
    /// The usual server: the pinned Valkey 9, unless another is named.
    Redis,
    /// Three of them, as a Cluster.
    Cluster,
}

impl Store {
    /// Every kind: what clients see is the same.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Redis, Self::Cluster];
}

/// Shims that share a ledger. The fields are in the order in which they stop.
#[derive(Debug)]
pub struct Shims {
    /// The shims.
    pub shims: Vec<Server>,
    /// The Redis, if there is one.
    pub redis: Option<Server>,
    /// The Cluster, if there is one.
    pub cluster: Option<Cluster>,
    /// Logs.
    pub dir: TempDir,
}

impl Shims {
    /// Starts `count` shims with a ledger, and waits until they are healthy.
    ///
    /// # Panics
    /// Where one does not get ready.
    #[must_use]
    pub fn start(store: Store, count: usize) -> Self {
        Self::start_with(store, count, &[])
    }

    /// The same, with variables for the shims.
    ///
    /// # Panics
    /// Where one does not get ready.
    #[must_use]
    pub fn start_with(store: Store, count: usize, env: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a folder");
        let redis = (store == Store::Redis).then(|| start_redis(dir.path(), &[]));
        let cluster = (store == Store::Cluster).then(Cluster::start);
        let url = match (&redis, &cluster) {
            (Some(redis), _) => redis::url(redis),
            (None, Some(cluster)) => cluster.url(),
            (None, None) => "memory:".to_owned(),
        };
        let shims: Vec<_> = (0..count).map(|_| ready(start_shim(dir.path(), &url, env))).collect();
        for shim in &shims {
            // Ready is any part of a Cluster; the tests want all of it.
            wait_for("the whole ledger to be connected", || {
                let health = shim.get("/healthz").expect("an answer").body;
                health.contains(r#""status":"ok""#).then_some(())
            });
        }
        Self { shims, redis, cluster, dir }
    }

    /// A client of shim number `at`.
    #[must_use]
    pub fn api(&self, at: usize) -> Api {
        Api::connect(self.shims[at].addr())
    }

    /// The Redis.
    ///
    /// # Panics
    /// Where the ledger is the memory.
    pub fn redis(&mut self) -> &mut Server {
        self.redis.as_mut().expect("the ledger is a Redis")
    }
}

/// Starts a Redis.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
pub fn start_redis(dir: &Path, args: &[&str]) -> Server {
    let options = redis::Options::new(dir).expect("a Redis");
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    redis::start(redis::Options { args, ..options }).expect("Redis starts")
}

/// Starts a shim with an admin port that is [`PATIENT`] unless `env` says otherwise, without
/// waiting for its ledger.
///
/// # Panics
/// Where it cannot be started.
#[must_use]
pub fn start_shim(dir: &Path, ledger: &str, env: &[(&str, &str)]) -> Server {
    start_program(binaries().shim.clone(), dir, ledger, env)
}

/// The same, of a shim that may have at most so many file descriptors.
///
/// # Panics
/// Where it cannot be started.
#[must_use]
pub fn start_limited(dir: &Path, ledger: &str, descriptors: usize) -> Server {
    let program = dir.join("limited-tollgate");
    let shim = binaries().shim.display();
    let script = format!("#!/bin/sh\nulimit -n {descriptors}\nexec '{shim}' \"$@\"\n");
    std::fs::write(&program, script).expect("a script");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&program, executable).expect("a script that can be run");
    start_program(program, dir, ledger, &[])
}

fn start_program(program: PathBuf, dir: &Path, ledger: &str, env: &[(&str, &str)]) -> Server {
    midnight::keep_away();
    let port = || Port::free().expect("a free port");
    shim::start(shim::Options {
        program,
        port: port(),
        ledger: ledger.to_owned(),
        admin: Some((port(), TOKEN.to_owned())),
        dir,
        env: PATIENT.iter().chain(env).map(owned).collect(),
    })
    .expect("the shim starts")
}

/// A variable, as [`harness`] takes it.
#[must_use]
pub fn owned((name, value): &(&str, &str)) -> (String, OsString) {
    ((*name).to_owned(), OsString::from(value))
}

/// Starts a shim and waits until its ledger answers.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
pub fn start_ready(dir: &Path, ledger: &str) -> Server {
    ready(start_shim(dir, ledger, &[]))
}

fn ready(mut shim: Server) -> Server {
    shim.wait_ready().expect("the shim gets ready");
    shim
}

/// Tries `attempt` until it gives something.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(PATIENCE);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(!deadline.has_passed(), "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client with one HTTP/2 connection, as Envoy has it.
#[derive(Debug)]
pub struct Api {
    to: SocketAddr,
    sender: http2::SendRequest<Full<Bytes>>,
    runtime: Runtime,
}

impl Api {
    /// Connects.
    ///
    /// # Panics
    /// Where it cannot.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(to).await.expect("the shim accepts");
            stream.set_nodelay(true).expect("an option of every socket");
            let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = connected.expect("the shim speaks HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Self { to, sender, runtime }
    }

    /// Posts a body and takes the reply as it is.
    ///
    /// # Panics
    /// Where none comes.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let mut request = hyper::Request::post(format!("http://{}{path}", self.to));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request of the test's making");
        let exchange = async {
            let reply = self.sender.send_request(request).await.expect("a reply");
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.expect("a whole body");
            Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }
        };
        self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, exchange).await.expect("a reply in time")
        })
    }

    /// Asks for decisions; the reply as it is unless it is 200.
    ///
    /// # Errors
    /// The reply.
    ///
    /// # Panics
    /// Where a 200 holds no decisions, or not one for each request.
    pub fn try_decide(&mut self, requests: Vec<Request>) -> Result<DecideReply, Box<Reply>> {
        let expected = requests.len();
        let body = DecideBody { requests };
        let reply = self.post("/v1/decide", &[], serde_json::to_vec(&body).expect("JSON"));
        if reply.status != 200 {
            return Err(Box::new(reply));
        }
        let decided: DecideReply = serde_json::from_slice(&reply.body).expect("decisions");
        assert_eq!(decided.decisions.len(), expected);
        Ok(decided)
    }

    /// Asks for decisions.
    ///
    /// # Panics
    /// Where they are not given.
    pub fn decide(&mut self, requests: Vec<Request>) -> DecideReply {
        self.try_decide(requests).unwrap_or_else(|reply| panic!("{}", reply.shown()))
    }

    /// Looks at a counter.
    ///
    /// # Panics
    /// Where there is no answer.
    pub fn peek(&mut self, counter: CounterName, quota: Quota) -> PeekReply {
        let body = serde_json::to_vec(&PeekBody { counter, quota }).expect("JSON");
        let reply = self.post("/v1/peek", &[], body);
        assert_eq!(reply.status, 200, "{}", reply.shown());
        serde_json::from_slice(&reply.body).expect("what is left")
    }

    /// Asks for one decision.
    ///
    /// # Panics
    /// Where it is not given.
    pub fn one(&mut self, request: Request) -> Decision {
        self.decide(vec![request]).decisions.remove(0)
    }

    /// Settles.
    ///
    /// # Panics
    /// Where the reply is no 200.
    pub fn settle(&mut self, settles: Vec<Settle>) -> SettleReply {
        let body = serde_json::to_vec(&SettleBody { settles }).expect("JSON");
        let reply = self.post("/v1/settle", &[], body);
        assert_eq!(reply.status, 200, "{}", reply.shown());
        serde_json::from_slice(&reply.body).expect("settles")
    }
}

/// The counter of `bucket` for someone called `who`.
///
/// # Panics
/// Where `bucket` is no bucket's name.
#[must_use]
pub fn counter(who: &str, bucket: &str) -> CounterName {
    let identity = Identity::derive(b"tests", [who.as_bytes()]);
    CounterName::new(&identity, bucket).expect("a bucket's name")
}

/// A sliding window.
#[must_use]
pub fn sliding(limit: u64, window_ms: u64) -> Quota {
    let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(window_ms));
    Quota::SlidingWindow(SlidingWindow { limit, window_ms })
}

/// A quota of the calendar, in UTC.
#[must_use]
pub fn fixed(limit: u64, per: Period) -> Quota {
    let (limit, time_zone) = (Limit::clamped(limit), TimeZone::UTC);
    Quota::FixedWindow(FixedWindow { limit, per, time_zone })
}

/// A token bucket.
#[must_use]
pub fn tokens(rate: u64, per_ms: u64, burst: u64) -> Quota {
    let (rate, burst) = (Limit::clamped(rate), Limit::clamped(burst));
    let bucket = TokenBucket::new(rate, WindowMs::clamped(per_ms), burst);
    Quota::TokenBucket(bucket.expect("countable"))
}

/// A charge of 1, enforced.
#[must_use]
pub fn charge(counter: CounterName, quota: Quota) -> Charge {
    Charge { counter, quota, cost: Cost::clamped(1), enforce: true, lease: None }
}

/// A request of these charges.
#[must_use]
pub fn request(charges: impl Into<Vec<Charge>>) -> Request {
    Request { charges: charges.into() }
}

/// A settle of one counter, charged as `charge` says.
#[must_use]
pub fn settle(id: &str, decision: &str, charge: &Charge, amount: SettleAmount) -> Settle {
    let charge = SettleCharge {
        counter: charge.counter.clone(),
        quota: charge.quota,
        amount,
        charged: charge.cost,
        lease_ms: None,
    };
    Settle { id: id.to_owned(), decision: decision.to_owned(), charges: vec![charge] }
}

/// Gives `amount` back.
#[must_use]
pub fn back(amount: u64) -> SettleAmount {
    SettleAmount::GiveBack(Limit::clamped(amount))
}

/// Charges `amount` more.
#[must_use]
pub fn more(amount: u64) -> SettleAmount {
    SettleAmount::Charge(Limit::clamped(amount))
}

/// The only charge of a decision that has one.
#[must_use]
pub fn only(decision: &Decision) -> ChargeOutcome {
    assert_eq!(decision.charges.len(), 1, "{decision:?}");
    decision.charges[0]
}
