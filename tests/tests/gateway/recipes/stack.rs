//! The servers: one Redis, one shim, one upstream, and one Envoy with a listener for each recipe.

use super::{config, token};
use anyhow::{Context, Result};
use harness::clock::Deadline;
use harness::envoy_config::Front;
use harness::stack::{Port, Server, envoy, redis as redis_server, shim};
use harness::{envoy_config, setup};
use hyper::body::Bytes;
use limits::counter::CounterName;
use recipes::check::Outcome;
use recipes::recipe::{Recipe, Send};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tests::client::{Client, Reply, Request};
use tests::shim::TOKEN;
use tests::upstream::{ANSWER_HEADER, Upstream};
use tests::{gateway, midnight};

/// The time limit for something that happens in the background.
const LIMIT: Duration = Duration::from_secs(20);

/// The running servers. Fields are declared in the order in which they stop.
pub(super) struct Stack {
    envoy: Server,
    shim: Server,
    _redis: Server,
    _upstream: Upstream,
    /// The listener of each recipe, by its name.
    listeners: BTreeMap<String, Port>,
    connection: Mutex<redis::Connection>,
    /// The number of top-ups so far.
    top_ups: AtomicU64,
    _dir: TempDir,
}

impl Stack {
    /// Starts an Envoy with a listener for each of `recipes`.
    pub(super) fn start(recipes: &[Recipe]) -> Result<Self> {
        midnight::wait_if_near();
        let dir = TempDir::new()?;
        let redis = redis_server::start(redis_server::Options::new(dir.path())?)?;
        let mut shim = shim::start(shim::Options {
            program: gateway::binaries().shim.clone(),
            port: Port::free()?,
            ledger: redis_server::url(&redis),
            admin: Some((Port::free()?, TOKEN.to_owned())),
            dir: dir.path(),
            env: timeouts(),
        })?;
        shim.wait_ready()?;
        let upstream = Upstream::start()?;
        let (gateway, admin) = (Port::free()?, Port::free()?);
        let base = envoy_config::render(&envoy_config::Options {
            gateway: gateway.number().into(),
            admin: admin.number().into(),
            shim: shim.addr().port().into(),
            backend: upstream.addr().port().into(),
            wasm: Some(gateway::filter().clone()),
            front: gateway::front(),
            module: (gateway::front() == Front::Module).then(|| gateway::module().clone()),
            ledger: Some(redis_server::url(&redis)),
            trusted_hops: Some(1),
            ..envoy_config::Options::default()
        })?;
        let mut listeners = BTreeMap::new();
        for recipe in recipes {
            listeners.insert(recipe.name.clone(), Port::free()?);
        }
        let own = recipes.iter().map(|recipe| {
            let port = listeners.get(&recipe.name).context("a listener")?;
            config::listener(&base, recipe, port.number())
        });
        let own = own.collect::<Result<Vec<_>>>()?;
        let mut config = base.envoy;
        *envoy_config::at(&mut config, "/static_resources/listeners")? = json!(own);
        let envoy = envoy::start(envoy::Options {
            program: setup::envoy()?,
            gateway,
            admin,
            config: &config.into(),
            workers: 1,
            dir: dir.path(),
            env: timeouts(),
        })?;
        let client = redis::Client::open(redis_server::url(&redis))?;
        let connection = Mutex::new(client.get_connection()?);
        Ok(Self {
            envoy,
            shim,
            _redis: redis,
            _upstream: upstream,
            listeners,
            connection,
            top_ups: AtomicU64::new(0),
            _dir: dir,
        })
    }

    pub(super) fn envoy(&self) -> &Server {
        &self.envoy
    }

    /// Sends a request to the recipe's listener.
    pub(super) fn send(&self, recipe: &Recipe, send: &Send) -> Result<Outcome> {
        let listener = self.listeners.get(&recipe.name).context("a listener")?.addr();
        let client = Client::of(listener);
        let request = request(recipe, send)?;
        let reply = if send.is_grpc() {
            client.send_http2(request)?
        } else {
            client.send_as_is(request)?
        };
        Ok(outcome(&reply))
    }

    /// Tops up balances through the operator's API, each with a new id.
    ///
    /// # Errors
    /// Fails if the shim does not add an amount.
    pub(super) fn top_up(&self, top_ups: Vec<(CounterName, u64)>) -> Result<(), String> {
        let admin = self.shim.admin_addr().ok_or("the shim has no operator's API")?;
        for (counter, amount) in top_ups {
            let id = format!("payment-{}", self.top_ups.fetch_add(1, Ordering::Relaxed));
            let body = json!({ "counter": counter, "amount": amount, "id": id });
            let reply = Client::of(admin).post("/v1/counters/top-up", &body, Some(TOKEN));
            if reply.json()["changed"] != true {
                return Err(format!("expected a top-up of {counter}, found {}", reply.as_text()));
            }
        }
        Ok(())
    }

    /// Returns true if a key exists in Redis.
    pub(super) fn has(&self, key: &str) -> bool {
        self.query(redis::cmd("EXISTS").arg(key)).is_ok_and(|count: u64| count == 1)
    }

    /// Waits for this many settles of the identity `tag`. Returns false if they do not come.
    pub(super) fn waits_for_settles(&self, tag: &str, expected: usize) -> bool {
        let deadline = Deadline::after(LIMIT);
        let marks = format!("tg:{{{tag}}}:.*");
        loop {
            let found: Vec<String> = self.query(redis::cmd("KEYS").arg(&marks)).unwrap_or_default();
            if found.len() >= expected {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn query<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> redis::RedisResult<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        command.query(&mut *connection)
    }
}

/// Returns variables with timeouts for a busy machine.
fn timeouts() -> Vec<(String, OsString)> {
    tests::shim::LONG_TIMEOUTS.iter().map(tests::shim::owned).collect()
}

/// Builds the HTTP request.
fn request(recipe: &Recipe, send: &Send) -> Result<Request> {
    let body = Bytes::from(vec![b'0'; usize::try_from(send.body_bytes.unwrap_or(0))?]);
    let uri = if send.is_grpc() {
        format!("http://{}{}", send.host, send.path)
    } else {
        send.path.clone()
    };
    let mut request = hyper::Request::builder().method(send.method.as_str()).uri(uri);
    if !send.is_grpc() {
        request = request.header("host", &send.host);
    }
    request = request.header("x-forwarded-for", send.client.to_string());
    request = request.header(
        ANSWER_HEADER,
        serde_json::to_string(&json!({
            "status": send.upstream.status,
            "headers": send.upstream.headers,
        }))?,
    );
    for (name, values) in &send.headers {
        for value in values.values() {
            request = request.header(name, value);
        }
    }
    if let Some(claims) = send.claims() {
        request = request.header("authorization", format!("Bearer {}", token::sign(&claims)));
    }
    for (name, value) in config::metadata_headers(recipe, send) {
        request = request.header(name, value);
    }
    request.body(body.into()).context("cannot build the request")
}

/// Reads a reply, and what the gateway adds to it for these tests.
fn outcome(reply: &Reply) -> Outcome {
    let log = reply.header(config::LOG_HEADER).to_owned();
    let rule = log.split(' ').find_map(|word| word.strip_prefix("rule=")).map(str::to_owned);
    let headers = reply.headers.iter().filter(|(name, _)| name.as_str() != config::LOG_HEADER);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect();
    let mut outcome = Outcome {
        status: reply.status,
        headers,
        body: text(&reply.body),
        log: (!log.is_empty()).then_some(log),
        rule,
        ..Outcome::default()
    };
    outcome.limits = shown_limits(&outcome);
    outcome
}

/// Returns the limits in the header `RateLimit-Policy`.
fn shown_limits(outcome: &Outcome) -> BTreeMap<String, u64> {
    let header = outcome.header("ratelimit-policy").unwrap_or_default();
    let items = header.split(',').filter_map(|item| {
        let (name, rest) = item.trim().strip_prefix('"')?.split_once('"')?;
        let limit = rest.split(';').find_map(|part| part.strip_prefix("q="))?;
        Some((name.to_owned(), limit.parse().ok()?))
    });
    items.collect()
}
