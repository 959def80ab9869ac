//! A Redis for one test, caches in front of it, and the values they load.

use backend::cache::{
    Aborted, Cache, Cached, Entry, Flight, Link, LinkSettings, Loaded, Origin, RedisState, SealKey,
    Ttls, Use,
};
use backend::clock;
use backend::redis_probe;
use harness::stack::{Server, redis as stack_redis};
use redis::{Connection, IntoConnectionInfo, RedisResult};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// The timeout of every operation, generous enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(600);

/// The error of a test's load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Broken,
    Aborted(Aborted),
}

impl From<Aborted> for Failure {
    fn from(why: Aborted) -> Self {
        Self::Aborted(why)
    }
}

pub(crate) type Answer = Result<Loaded<String>, Failure>;
pub(crate) type Outcome = Result<Cached<String>, Arc<Failure>>;

/// A running Redis, ended when dropped.
pub(crate) struct Redis {
    pub(crate) server: Server,
    _dir: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let server = stack_redis::start(stack_redis::Options::new(dir.path()).unwrap()).unwrap();
        Self { server, _dir: dir }
    }

    /// Returns a connected cache, like that of one process.
    pub(crate) async fn cache(&self) -> Cache {
        self.cache_and_link(TIMEOUT).await.0
    }

    /// Returns a connected cache and its link to Redis, with this timeout.
    pub(crate) async fn cache_and_link(&self, timeout: Duration) -> (Cache, Link) {
        let (cache, link) = cache_at(&stack_redis::url(&self.server), timeout);
        redis_probe::start(link.clone(), Duration::from_millis(100)).await;
        assert_eq!(link.state(), RedisState::Up);
        (cache, link)
    }

    /// Runs a Redis command.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut request = redis::cmd(command[0]);
        request.arg(&command[1..]).query(&mut self.connect().unwrap()).unwrap()
    }

    fn connect(&self) -> RedisResult<Connection> {
        redis::Client::open(stack_redis::url(&self.server))?.get_connection()
    }
}

/// Returns a cache in front of the Redis at `url`, and its link, which has not been probed yet.
pub(crate) fn cache_at(url: &str, timeout: Duration) -> (Cache, Link) {
    let settings = LinkSettings { max_connections: 2, timeout };
    let link = Link::new(Some(url.into_connection_info().unwrap()), settings);
    let ttls = Ttls { ai: TTL, pricing: TTL, subscription: TTL, resume: TTL };
    (Cache::new(true, ttls, link.clone()), link)
}

/// Returns the entry of an AI answer.
pub(crate) fn ai_entry() -> Entry {
    let ttls = Ttls { ai: TTL, pricing: TTL, subscription: TTL, resume: TTL };
    Entry::ai("analyze", "0123", &ttls)
}

/// Returns a versioned entry.
pub(crate) fn version(version: u64) -> Entry {
    Entry { version, ..ai_entry() }
}

pub(crate) fn key(byte: u8) -> SealKey {
    SealKey::new([byte; 32])
}

pub(crate) fn text(text: &str) -> Answer {
    Ok(Loaded::keep(text.to_owned()))
}

/// Gets `entry`, or loads `answer` on a cache miss.
pub(crate) async fn ask(cache: &Cache, entry: &Entry, answer: &str) -> (String, &'static str) {
    let answer = text(answer);
    let outcome: Outcome =
        cache.get_or_load(entry, &key(1), Use::EVERYTHING, || async { answer }).await;
    shown(outcome)
}

/// Returns the value and its origin, as named in `X-Cache`.
pub(crate) fn shown(outcome: Outcome) -> (String, &'static str) {
    let Cached { value, origin } = outcome.unwrap();
    let name = match origin {
        Origin::Hit { .. } => "HIT",
        Origin::Miss => "MISS",
        Origin::Coalesced => "COALESCED",
        Origin::Bypass => "BYPASS",
    };
    (value, name)
}

/// Starts to load `entry`, with `answer` as its load.
pub(crate) fn flight(
    cache: &Cache,
    entry: &Entry,
    answer: impl Future<Output = Answer> + Send + 'static,
) -> Flight<String, Failure> {
    cache.flight(entry, &key(1), Use::EVERYTHING, |_| answer)
}

/// Polls until `condition` holds.
pub(crate) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = clock::start();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "waited {TIMEOUT:?} until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
