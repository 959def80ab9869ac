//! The cache as clients see it: in one process, and in two that share a Redis that comes and goes.
//! (`tests/cache` tests the cache itself.)

use super::ai;
use super::backend::{Backend, TIMEOUT};
use super::claude::Claude;
use super::client::Reply;
use super::user::{PASSWORD, User};
use backend::clock;
use harness::stack::{Server, redis as stack_redis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const MERGE: &str = "application/merge-patch+json";

/// A running Redis, ended when dropped.
struct Redis {
    server: Server,
    url: String,
    _dir: TempDir,
}

impl Redis {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let server = stack_redis::start(stack_redis::Options::new(dir.path()).unwrap()).unwrap();
        Self { url: stack_redis::url(&server), server, _dir: dir }
    }

    /// Runs a Redis command.
    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        let mut request = redis::cmd(command[0]);
        request.arg(&command[1..]).query(&mut client.get_connection().unwrap()).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.sort();
        keys
    }

    /// Returns the number of connections, according to the kernel, since Redis may be paused.
    fn connected(&self) -> usize {
        let port = format!(":{:04X} 01", self.server.port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.lines().filter(|line| line.contains(&port)).count()
    }

    /// Returns the number of `PING`s so far.
    fn pings(&self) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_ping:calls="));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }
}

impl Backend {
    /// Starts a process with this Redis, these variables and a new database.
    fn start_cached(redis: &Redis, vars: &[(&str, &str)]) -> Self {
        Self::start_with(&[&[("REDIS_URL", redis.url.as_str())], vars].concat())
    }

    /// Starts another process on the same database.
    fn second_cached(&self, redis: &Redis) -> Self {
        Self::start_on(&self.url, &[("REDIS_URL", redis.url.as_str())])
    }

    fn wait_for_redis(&self, state: &str) {
        self.wait_until(&format!("redis is {state}"), || {
            self.get("/health").json()["redis"] == state
        });
    }
}

impl User<'_> {
    /// Returns the same session, but with another process.
    fn at<'a>(&self, backend: &'a Backend) -> User<'a> {
        User { backend, access: self.access.clone(), refresh: self.refresh.clone() }
    }
}

fn ada(label: &str) -> Value {
    let highlights: Vec<_> = (0..50).map(|n| format!("Wrote program {n} for the engine")).collect();
    json!({
        "basics": {"name": "Ada Lovelace", "label": label, "email": "ada@example.org"},
        "work": [{"name": "Analytical Engines", "highlights": highlights}],
    })
}

fn origin_of(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.show(&[]));
    let origin = reply.header("x-cache").unwrap();
    assert_eq!(reply.header("age").is_some(), origin == "HIT");
    origin
}

#[test]
fn a_cached_reply_is_identical_and_marked_as_a_hit() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada("Analyst"));
    let export = format!("{path}/export?format=markdown");
    for (path, first) in [
        (path.as_str(), "MISS"),
        (&export, "HIT"),
        ("/api/subscription", "MISS"),
        ("/api/pricing", "MISS"),
    ] {
        let [miss, hit] = [user.get(path), user.get(path)];
        assert_eq!((origin_of(&miss), origin_of(&hit)), (first, "HIT"), "{path}");
        assert_eq!(miss.body, hit.body, "{path}");
        assert_eq!(miss.header("etag"), hit.header("etag"), "{path}");
        let age_s: u64 = hit.header("age").unwrap().parse().unwrap();
        assert!(age_s < 60, "{age_s}");
        assert!(hit.header("cache-status").unwrap().starts_with("tollgate; hit; ttl="));
    }
    let known = user.request("GET", &path).header("If-None-Match", "\"1\"").send();
    assert_eq!((known.status, known.header("x-cache")), (304, Some("HIT")));
}

#[test]
fn a_change_is_seen_at_once_by_every_process() {
    let redis = Redis::start();
    let one = Backend::start_cached(&redis, &[]);
    let two = one.second_cached(&redis);
    let user = one.user("ada@example.org");
    let other = user.at(&two);
    let path = user.resume(&ada("v1"));
    for (version, next) in [("\"1\"", "v2"), ("\"2\"", "v3")] {
        for (user, expected) in [(&user, "MISS"), (&user, "HIT"), (&other, "HIT")] {
            let read = user.get(&path);
            assert_eq!((origin_of(&read), read.header("etag")), (expected, Some(version)));
        }
        let change = json!({"basics": {"label": next}});
        assert_eq!(other.change(&path, version, MERGE, &change).status, 200);
        // By the time of the reply, the old value is gone from Redis.
        assert_eq!(redis.keys(), [""; 0]);
    }
    assert_eq!(other.get(&path).json()["resume"]["basics"]["label"], "v3");
    assert_eq!(other.replace(&path, "*", &ada("v4")).status, 200);
    assert_eq!(user.get(&path).json()["resume"]["basics"]["label"], "v4");

    let plan = |user: &User<'_>| user.get("/api/subscription").json()["tier"].clone();
    assert_eq!([plan(&user), plan(&other)], ["free", "free"]);
    user.subscribe("pro");
    assert_eq!([plan(&other), plan(&user)], ["pro", "pro"]);

    assert_eq!(user.request("DELETE", &path).send().status, 204);
    assert_eq!([user.get(&path).status, other.get(&path).status], [404, 404]);
}

#[test]
fn a_cached_resume_is_visible_to_its_owner_only() {
    let redis = Redis::start();
    let backend = Backend::start_cached(&redis, &[]);
    let (user, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    let path = user.resume(&ada("Analyst"));
    user.get(&path);
    let second = backend.second_cached(&redis);
    for eve in [&eve, &eve.at(&second)] {
        assert_eq!(eve.get(&path).status, 404, "neither from memory nor from redis");
    }
    assert_eq!(origin_of(&user.get(&path)), "HIT", "the owner's entry is unaffected");
}

#[test]
fn values_in_redis_are_encrypted() {
    let redis = Redis::start();
    let backend = Backend::start_cached(&redis, &[]);
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada("Analyst"));
    let size = user.get(&path).body.len();
    user.get("/api/subscription");
    user.get("/api/pricing");
    let id = path.rsplit('/').next().unwrap();
    let user_id = user.me().json()["id"].as_str().unwrap().to_owned();
    let resume = format!("cache:resume:{id}");
    let subscription = format!("cache:user:{user_id}:subscription");
    assert_eq!(redis.keys(), ["cache:pricing", &resume, &subscription]);
    let stored: BTreeMap<_, Vec<u8>> =
        redis.keys().into_iter().map(|key| (key.clone(), redis.ask(&["GET", &key]))).collect();
    assert!(stored[&resume].len() < size / 3, "{} of {size}", stored[&resume].len());
    for (key, bytes) in &stored {
        for word in ["Ada", "ada@", "Engine", "tier", "free", "USD"] {
            let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "{word} in {key}");
        }
    }

    // Deleting an account deletes the only key to its cached values.
    let secrets = "SELECT secret FROM user_secrets";
    assert_eq!(backend.texts(secrets).len(), 1);
    let left = user.send("DELETE", "/api/me", &json!({"password": PASSWORD}));
    assert_eq!(left.status, 204);
    assert_eq!(backend.texts(secrets), [""; 0]);
    assert_eq!(redis.keys(), ["cache:pricing"]);
}

#[test]
fn ttls_follow_the_variables() {
    let redis = Redis::start();
    let claude = Claude::start();
    let check = |vars: &[(&str, &str)], expected: [i64; 4]| {
        let backend = claude.backend(&[&[("REDIS_URL", redis.url.as_str())], vars].concat());
        let user = backend.user("ada@example.org");
        let path = user.resume(&ada("Analyst"));
        for path in [path.as_str(), "/api/subscription", "/api/pricing"] {
            user.get(path);
        }
        user.ask(ai::ROUTES[2], &ai::question(&ada("Analyst")));
        let left_s = |prefix: &str| {
            let key = redis.keys().into_iter().find(|key| key.starts_with(prefix)).unwrap();
            redis.ask::<i64>(&["TTL", &key])
        };
        let found = ["cache:resume:", "cache:user:", "cache:pricing", "cache:ai:"].map(left_s);
        for (found_s, expected_s) in found.into_iter().zip(expected) {
            assert!((expected_s - 60..=expected_s).contains(&found_s), "{vars:?}: {found:?}");
        }
        let _flushed: String = redis.ask(&["FLUSHALL"]);
    };
    check(&[], [600, 300, 3600, 3600]);
    check(&[("CACHE_DEFAULT_TTL", "1000")], [1000, 1000, 3600, 3600]);
    check(
        &[
            ("CACHE_RESUME_TTL", "2000"),
            ("CACHE_SUBSCRIPTION_TTL", "3000"),
            ("CACHE_PRICING_TTL", "4000"),
            ("CACHE_AI_RESPONSE_TTL", "5000"),
        ],
        [2000, 3000, 4000, 5000],
    );
}

#[test]
fn a_disabled_cache_stores_nothing() {
    let redis = Redis::start();
    let backend = Backend::start_cached(&redis, &[("CACHE_ENABLED", "false")]);
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada("Analyst"));
    for path in [path.as_str(), "/api/subscription", "/api/pricing", &path] {
        assert_eq!(origin_of(&user.get(path)), "BYPASS", "{path}");
    }
    assert_eq!(redis.keys(), [""; 0]);
}

#[test]
fn no_cache_and_no_store_are_respected() {
    let redis = Redis::start();
    let backend = Backend::start_cached(&redis, &[]);
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada("Analyst"));
    let asked = |wish| user.request("GET", &path).header("Cache-Control", wish).send();
    assert_eq!(origin_of(&asked("no-store")), "BYPASS");
    assert_eq!(redis.keys(), [""; 0]);
    assert_eq!(origin_of(&user.get(&path)), "MISS", "nothing was stored in memory either");
    backend.execute("UPDATE resumes SET document = '{}'");
    assert_eq!(origin_of(&user.get(&path)), "HIT");
    assert_ne!(user.get(&path).json()["resume"], json!({}));
    assert_eq!(asked("no-cache").json()["resume"], json!({}));
    let after = user.get(&path);
    assert_eq!((origin_of(&after), &after.json()["resume"]), ("HIT", &json!({})));
}

#[test]
fn prices_of_another_configuration_are_not_reused() {
    let redis = Redis::start();
    let free = |limit: &str| {
        let backend = Backend::start_cached(&redis, &[("FREE_AI_ASSIST_LIMIT", limit)]);
        let reply = backend.get("/api/pricing");
        (origin_of(&reply).to_owned(), reply.json()["plans"][0]["ai_requests_per_day"].clone())
    };
    assert_eq!(free("7"), ("MISS".into(), json!(7)));
    assert_eq!(free("7"), ("HIT".into(), json!(7)));
    assert_eq!(free("8"), ("MISS".into(), json!(8)));
}

/// Redis and the other process's memory still have the old version.
#[test]
fn a_change_during_a_redis_outage_is_seen_after_it() {
    let redis = Redis::start();
    let one = Backend::start_cached(&redis, &[]);
    let two = one.second_cached(&redis);
    let user = one.user("ada@example.org");
    let other = user.at(&two);
    let path = user.resume(&ada("old"));
    let label = |user: &User<'_>| user.get(&path).json()["resume"]["basics"]["label"].clone();
    assert_eq!([label(&user), label(&other)], ["old", "old"]);
    redis.server.pause();
    one.wait_for_redis("down");
    assert_eq!(user.change(&path, "*", MERGE, &json!({"basics": {"label": "new"}})).status, 200);
    assert_eq!([label(&other), label(&user)], ["new", "new"]);
    redis.server.resume();
    one.wait_for_redis("up");
    two.wait_for_redis("up");
    assert_eq!([label(&other), label(&user)], ["new", "new"]);
}

/// One writer reads its writes from the other process while Redis is killed repeatedly.
#[test]
fn killing_redis_under_load_fails_no_request() {
    let mut redis = Redis::start();
    let one = Backend::start_cached(&redis, &[("REDIS_SOCKET_TIMEOUT", "0.2")]);
    let two = one.second_cached(&redis);
    let user = one.user("ada@example.org");
    let path = user.resume(&ada("0"));
    let done = AtomicBool::new(false);
    let writes = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut writes = 0_u64;
            while !done.load(Ordering::SeqCst) {
                writes += 1;
                let (at, from) = if writes.is_multiple_of(2) { (&one, &two) } else { (&two, &one) };
                let change = json!({"basics": {"label": writes.to_string()}});
                let changed = user.at(at).change(&path, "*", MERGE, &change);
                assert_eq!(changed.status, 200, "{}", changed.show(&[]));
                for backend in [from, at, from] {
                    let read = user.at(backend).get(&path);
                    assert_eq!(read.status, 200, "{}", read.show(&[]));
                    let label = &read.json()["resume"]["basics"]["label"];
                    assert_eq!(*label, writes.to_string());
                }
            }
            writes
        });
        for _ in 0..3 {
            redis.server.kill();
            one.wait_for_redis("down");
            redis.server.restart().unwrap();
            one.wait_for_redis("up");
            two.wait_for_redis("up");
        }
        done.store(true, Ordering::SeqCst);
        writer.join().unwrap()
    });
    assert!(writes > 3, "{writes}");
}

#[test]
fn connections_to_redis_are_limited() {
    let redis = Redis::start();
    // Recognized by their user, since the test has connections too.
    let set_user = ["ACL", "SETUSER", "backend", "on", ">p", "~*", "+@all"];
    let _set: String = redis.ask(&set_user);
    let url = redis.url.replace("redis://", "redis://backend:p@");
    for most in [1, 3] {
        let vars = [
            ("REDIS_URL", url.as_str()),
            ("REDIS_MAX_CONNECTIONS", &*most.to_string()),
            ("REDIS_SOCKET_TIMEOUT", "60"),
            ("REDIS_HEALTH_CHECK_INTERVAL", "3600"),
        ];
        let backend = Backend::start_with(&vars);
        let user = backend.user("ada@example.org");
        let paths: Vec<_> = (0..10).map(|n| user.resume(&ada(&n.to_string()))).collect();
        let connections = || {
            let clients: String = redis.ask(&["CLIENT", "LIST"]);
            clients.lines().filter(|line| line.contains(" user=backend ")).count()
        };
        redis.server.pause();
        thread::scope(|scope| {
            let reads: Vec<_> =
                paths.iter().map(|path| scope.spawn(|| user.get(path).status)).collect();
            backend.wait_until("all connections are open", || redis.connected() >= most);
            // Leaves time for a further connection to appear.
            thread::sleep(Duration::from_millis(300));
            redis.server.resume();
            assert!(reads.into_iter().all(|read| read.join().unwrap() == 200));
        });
        assert_eq!(connections(), most);
        drop(backend);
        let start = clock::start();
        while connections() > 0 {
            assert!(start.elapsed() < TIMEOUT, "connections were not closed");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn redis_metrics_are_exported_with_help() {
    let mut redis = Redis::start();
    // Probed once and then not for an hour, so only a command can notice the outage.
    let vars = [("REDIS_SOCKET_TIMEOUT", "30"), ("REDIS_HEALTH_CHECK_INTERVAL", "3600")];
    let backend = Backend::start_cached(&redis, &vars);
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada("Analyst"));
    assert_eq!(backend.metric("cache_redis_up"), 1);
    backend.wait_until("redis's memory is known", || {
        let info: String = redis.ask(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        // The value varies a little from call to call.
        let (used, counted) = (line.parse().unwrap(), backend.metric("cache_redis_memory_bytes"));
        counted > 0 && counted.abs_diff(used) < used / 2
    });
    redis.server.kill();
    backend.wait_until("a command notices", || {
        assert_eq!(user.get(&path).status, 200);
        backend.metric("cache_redis_up") == 0
    });
    assert!(backend.metric("cache_redis_errors_total") > 0);
    let text = String::from_utf8(backend.get("/metrics").body).unwrap();
    for name in ["cache_redis_up", "cache_redis_memory_bytes", "cache_redis_errors_total"] {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
}

#[test]
fn redis_socket_timeout_is_respected() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let vars = [("REDIS_URL", url.as_str()), ("REDIS_SOCKET_TIMEOUT", "0.123")];
    let log = Backend::start_with(&vars).stop();
    assert!(log.contains("no answer within 123 ms"), "{log}");
}

#[test]
fn rediss_begins_with_a_tls_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://localhost:{}", listener.local_addr().unwrap().port());
    let first = thread::spawn(move || {
        let mut first = [0];
        listener.accept().unwrap().0.read_exact(&mut first).unwrap();
        first
    });
    let backend = Backend::start_with(&[("REDIS_URL", url.as_str())]);
    assert_eq!(first.join().unwrap(), [0x16]);
    assert_eq!(backend.get("/health").json()["redis"], "down");
}

#[test]
fn redis_health_check_interval_is_respected() {
    let (often, seldom) = (Redis::start(), Redis::start());
    let vars = |interval| [("REDIS_HEALTH_CHECK_INTERVAL", interval)];
    let _seldom = Backend::start_cached(&seldom, &vars("3600"));
    let asked = seldom.pings();
    let backend = Backend::start_cached(&often, &vars("0.1"));
    backend.wait_until("redis was probed ten times", || often.pings() >= 10);
    assert_eq!(seldom.pings(), asked);
}
