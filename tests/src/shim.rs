//! Shims with their own ledger, and a client that calls them as the filter does.
//!
//! Used by `tests/shim_*.rs`. [`proxy`] injects network failures between a shim and Redis, and
//! [`cluster`] starts a Redis Cluster of real processes.

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
    Anchor, Balance, FixedWindow, Limit, Period, Quota, SlidingWindow, Start, TimeZone,
    TokenBucket, WindowMs,
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
/// Environment variables with timeouts long enough for a busy machine. Tests of timeouts set their
/// own.
pub const LONG_TIMEOUTS: [(&str, &str); 2] =
    [("TOLLGATE_DEADLINE_MS", "30000"), ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "20000")];
/// The time limit for events that must happen.
pub const WAIT_LIMIT: Duration = Duration::from_secs(60);
const MAX_REPLY_BYTES: usize = 16 << 20;

/// A kind of ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The shim's own memory.
    Memory,
    /// The default server: the pinned Valkey 9, unless the environment names another.
    Redis,
    /// Three of them as a Cluster.
    Cluster,
}

impl Store {
    /// All kinds. They behave the same for clients.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Redis, Self::Cluster];
}

/// Shims that share a ledger. Fields are declared in the order in which they stop.
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
    /// Starts a ledger and `count` shims, and waits until they are healthy.
    ///
    /// # Panics
    /// Panics if one does not become ready.
    #[must_use]
    pub fn start(store: Store, count: usize) -> Self {
        Self::start_with(store, count, &[])
    }

    /// Like [`Self::start`], with environment variables for the shims.
    ///
    /// # Panics
    /// Panics if one does not become ready.
    #[must_use]
    pub fn start_with(store: Store, count: usize, env: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        let redis = (store == Store::Redis).then(|| start_redis(dir.path(), &[]));
        let cluster = (store == Store::Cluster).then(Cluster::start);
        let url = match (&redis, &cluster) {
            (Some(redis), _) => redis::url(redis),
            (None, Some(cluster)) => cluster.url(),
            (None, None) => "memory:".to_owned(),
        };
        let shims: Vec<_> = (0..count).map(|_| ready(start_shim(dir.path(), &url, env))).collect();
        for shim in &shims {
            // A shim is ready once it reaches any part of a Cluster, but the tests need all of it.
            wait_for("the whole ledger to be connected", || {
                let health = shim.get("/healthz").expect("an answer").body;
                health.contains(r#""status":"ok""#).then_some(())
            });
        }
        Self { shims, redis, cluster, dir }
    }

    /// Connects to shim `at`.
    #[must_use]
    pub fn api(&self, at: usize) -> Api {
        Api::connect(self.shims[at].addr())
    }

    /// Returns the Redis.
    ///
    /// # Panics
    /// Panics if the ledger is not a single Redis.
    pub fn redis(&mut self) -> &mut Server {
        self.redis.as_mut().expect("the ledger uses Redis")
    }
}

/// Starts a Redis with additional arguments.
///
/// # Panics
/// Panics if it does not become ready.
#[must_use]
pub fn start_redis(dir: &Path, args: &[&str]) -> Server {
    let options = redis::Options::new(dir).expect("a Redis");
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    redis::start(redis::Options { args, ..options }).expect("Redis starts")
}

/// Starts a shim with an admin port, without waiting for its ledger. It has [`LONG_TIMEOUTS`]
/// unless `env` overrides them.
///
/// # Panics
/// Panics if it cannot be started.
#[must_use]
pub fn start_shim(dir: &Path, ledger: &str, env: &[(&str, &str)]) -> Server {
    start_program(binaries().shim.clone(), dir, ledger, env)
}

/// Starts a shim that may open at most `descriptors` file descriptors.
///
/// # Panics
/// Panics if it cannot be started.
#[must_use]
pub fn start_limited(dir: &Path, ledger: &str, descriptors: usize) -> Server {
    let program = dir.join("limited-tollgate");
    let shim = binaries().shim.display();
    let script = format!("#!/bin/sh\nulimit -n {descriptors}\nexec '{shim}' \"$@\"\n");
    std::fs::write(&program, script).expect("a script");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&program, executable).expect("an executable script");
    start_program(program, dir, ledger, &[])
}

fn start_program(program: PathBuf, dir: &Path, ledger: &str, env: &[(&str, &str)]) -> Server {
    midnight::wait_if_near();
    let port = || Port::free().expect("a free port");
    shim::start(shim::Options {
        program,
        port: port(),
        ledger: ledger.to_owned(),
        admin: Some((port(), TOKEN.to_owned())),
        dir,
        env: LONG_TIMEOUTS.iter().chain(env).map(owned).collect(),
    })
    .expect("the shim starts")
}

/// Converts an environment variable for [`harness`].
#[must_use]
pub fn owned((name, value): &(&str, &str)) -> (String, OsString) {
    ((*name).to_owned(), OsString::from(value))
}

/// Starts a shim and waits until its ledger answers.
///
/// # Panics
/// Panics if it does not become ready.
#[must_use]
pub fn start_ready(dir: &Path, ledger: &str) -> Server {
    ready(start_shim(dir, ledger, &[]))
}

fn ready(mut shim: Server) -> Server {
    shim.wait_ready().expect("the shim becomes ready");
    shim
}

/// Repeats `attempt` until it returns a value.
///
/// # Panics
/// Panics after [`WAIT_LIMIT`]. The message contains `what`.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(WAIT_LIMIT);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(!deadline.has_passed(), "waited {WAIT_LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client with one HTTP/2 connection, like Envoy's.
#[derive(Debug)]
pub struct Api {
    to: SocketAddr,
    sender: http2::SendRequest<Full<Bytes>>,
    runtime: Runtime,
}

impl Api {
    /// Connects to a shim.
    ///
    /// # Panics
    /// Panics if it cannot connect.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(to).await.expect("the shim accepts");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = connected.expect("the shim speaks HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Self { to, sender, runtime }
    }

    /// Posts a body and returns the reply.
    ///
    /// # Panics
    /// Panics if no reply arrives.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let mut request = hyper::Request::post(format!("http://{}{path}", self.to));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a valid request");
        let exchange = async {
            let reply = self.sender.send_request(request).await.expect("a reply");
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.expect("a whole body");
            Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }
        };
        self.runtime.block_on(async {
            tokio::time::timeout(WAIT_LIMIT, exchange).await.expect("a reply in time")
        })
    }

    /// Requests decisions.
    ///
    /// # Errors
    /// Returns the raw reply if its status is not 200.
    ///
    /// # Panics
    /// Panics if a 200 reply does not contain one decision for each request.
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

    /// Requests decisions.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub fn decide(&mut self, requests: Vec<Request>) -> DecideReply {
        self.try_decide(requests).unwrap_or_else(|reply| panic!("{}", reply.as_text()))
    }

    /// Peeks at a counter.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub fn peek(&mut self, counter: CounterName, quota: Quota) -> PeekReply {
        self.peek_with(&PeekBody { counter, quota, block: None })
    }

    /// Sends this peek.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub fn peek_with(&mut self, body: &PeekBody) -> PeekReply {
        let body = serde_json::to_vec(body).expect("JSON");
        let reply = self.post("/v1/peek", &[], body);
        assert_eq!(reply.status, 200, "{}", reply.as_text());
        serde_json::from_slice(&reply.body).expect("a peek reply")
    }

    /// Requests one decision.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub fn decide_one(&mut self, request: Request) -> Decision {
        self.decide(vec![request]).decisions.remove(0)
    }

    /// Sends settles.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub fn settle(&mut self, settles: Vec<Settle>) -> SettleReply {
        let body = serde_json::to_vec(&SettleBody { settles }).expect("JSON");
        let reply = self.post("/v1/settle", &[], body);
        assert_eq!(reply.status, 200, "{}", reply.as_text());
        serde_json::from_slice(&reply.body).expect("settles")
    }
}

/// Returns the counter of `bucket` for `who`.
///
/// # Panics
/// Panics if `bucket` is not a valid bucket name.
#[must_use]
pub fn counter(who: &str, bucket: &str) -> CounterName {
    let identity = Identity::derive(b"tests", [who.as_bytes()]);
    CounterName::new(&identity, bucket).expect("a bucket's name")
}

/// Returns a sliding window.
#[must_use]
pub fn sliding(limit: u64, window_ms: u64) -> Quota {
    let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(window_ms));
    Quota::SlidingWindow(SlidingWindow { limit, window_ms })
}

/// Returns a calendar quota in UTC.
#[must_use]
pub fn fixed(limit: u64, per: Period) -> Quota {
    let (limit, time_zone) = (Limit::clamped(limit), TimeZone::UTC);
    Quota::FixedWindow(FixedWindow { limit, per, time_zone, anchor: Anchor::default() })
}

/// Returns a token bucket.
#[must_use]
pub fn tokens(rate: u64, per_ms: u64, burst: u64) -> Quota {
    let (rate, burst) = (Limit::clamped(rate), Limit::clamped(burst));
    let bucket = TokenBucket::new(rate, WindowMs::clamped(per_ms), burst);
    Quota::TokenBucket(bucket.expect("a valid token bucket"))
}

/// Returns a balance that starts with `start`.
#[must_use]
pub fn balance(start: u64) -> Quota {
    Quota::Balance(Balance { start: Start::clamped(start) })
}

/// Returns an enforced charge of 1.
#[must_use]
pub fn charge(counter: CounterName, quota: Quota) -> Charge {
    Charge { counter, quota, cost: Cost::clamped(1), enforce: true, lease: None, block: None }
}

/// Returns a request with these charges.
#[must_use]
pub fn request(charges: impl Into<Vec<Charge>>) -> Request {
    Request { charges: charges.into() }
}

/// Returns a settle of `charge` in `decision`.
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

/// Returns a refund of `amount`.
#[must_use]
pub fn give_back(amount: u64) -> SettleAmount {
    SettleAmount::GiveBack(Limit::clamped(amount))
}

/// Returns an additional charge of `amount`.
#[must_use]
pub fn charge_more(amount: u64) -> SettleAmount {
    SettleAmount::Charge(Limit::clamped(amount))
}

/// Returns the outcome of a decision's only charge.
#[must_use]
pub fn only_charge(decision: &Decision) -> ChargeOutcome {
    assert_eq!(decision.charges.len(), 1, "{decision:?}");
    decision.charges[0]
}
