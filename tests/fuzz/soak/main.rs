//! The dynamic module with real threads, a real ledger and the model of Envoy: two workers whose
//! clients leave, a configuration that is replaced every second, and a Redis that is killed.
//!
//! `soak <redis-server> <seconds>`. CONTRIBUTING.md has the command for AddressSanitizer.

use module_host::stream::{Headers, Request};
use module_host::{Filter, Stream};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tollgate_fuzz::POLICY;

const WORKERS: u64 = 2;
/// The most streams of a worker at a time.
const STREAMS: usize = 64;
const REDIS_LIVES: Duration = Duration::from_secs(4);
const REDIS_IS_AWAY: Duration = Duration::from_millis(700);
const EXPORTS_EVERY: Duration = Duration::from_millis(50);
const RELOADS_EVERY: Duration = Duration::from_secs(1);
/// More than a paused request waits, and a closed configuration takes.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// Envoy's number of the attribute `source.address`.
const SOURCE_ADDRESS: u32 = 24;

/// The streams, by the way they ended.
#[derive(Default)]
struct Counts {
    passed: AtomicU64,
    answered: AtomicU64,
    redirected: AtomicU64,
    left: AtomicU64,
}

struct Soak {
    has_ended: AtomicBool,
    filter: RwLock<Filter>,
    counts: Counts,
}

/// Pseudorandom numbers, by xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Ends everything, also after a panic.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Soak {
    fn filter(&self) -> RwLockReadGuard<'_, Filter> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// A worker: opens streams, and lets each go its way.
    fn work(&self, worker: u64) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 + worker);
        let mut streams = Vec::new();
        let mut deadline = None;
        loop {
            if !self.has_ended() && streams.len() < STREAMS {
                let stream = Stream::new(&self.filter(), request(&mut random, false));
                stream.request_headers();
                streams.push(stream);
            }
            let now = Instant::now();
            if self.has_ended() && now > *deadline.get_or_insert(now + ENDS_WITHIN) {
                panic!("{} requests are left waiting", streams.len());
            }
            streams = streams.into_iter().filter_map(|it| self.step(it, &mut random)).collect();
            if streams.is_empty() && self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_micros(random.below(300)));
        }
    }

    /// Lets one thing happen to a stream. Returns it unless it has ended.
    fn step(&self, stream: Stream, random: &mut Random) -> Option<Stream> {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if random.below(50) == 0 {
            count(&self.counts.left);
            stream.end();
            return None;
        }
        stream.run_scheduled();
        if stream.is_paused() {
            return Some(stream);
        }
        if stream.answer().is_some() {
            count(&self.counts.answered);
        } else if random.below(10) == 0 {
            count(&self.counts.redirected);
            let stream = stream.redirect(&self.filter(), request(random, true));
            stream.request_headers();
            return Some(stream);
        } else {
            count(&self.counts.passed);
            let status = ["200", "404", "503"][usize::try_from(random.below(3)).unwrap_or(0)];
            stream.respond(headers(&[(":status", status)]));
            stream.trailers(headers(&[("grpc-status", "0")]));
        }
        stream.end();
        None
    }

    /// Envoy's main thread: exports metrics, and replaces the configuration.
    fn manage(&self, seconds: u64, port: u16) {
        let _end = End(&self.has_ended);
        let began = Instant::now();
        let mut reloaded = began;
        let mut limit = 0;
        while began.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(EXPORTS_EVERY);
            self.filter().run_scheduled();
            module_host::assert_correct();
            if reloaded.elapsed() > RELOADS_EVERY {
                reloaded = Instant::now();
                limit += 1;
                assert!(Filter::configure(b"{}").is_none());
                let new = configure(port, limit);
                let mut filter = self.filter.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *filter, new).destroy();
            }
        }
    }
}

fn headers(headers: &[(&str, &str)]) -> Headers {
    headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn request(random: &mut Random, is_redirected: bool) -> Request {
    let paths = ["/sliding", "/calendar", "/tokens", "/several", "/free"];
    let path = paths[usize::try_from(random.below(5)).unwrap_or(0)];
    let user = random.below(20).to_string();
    let mut request = Request {
        headers: headers(&[
            (":method", "GET"),
            (":path", path),
            (":authority", "example.org"),
            ("x-user", &user),
        ]),
        attributes: [(SOURCE_ADDRESS, b"192.0.2.1:1000".to_vec())].into(),
        ..Request::default()
    };
    if is_redirected {
        request.headers.extend(headers(&[("x-envoy-original-url", "http://example.org/")]));
    }
    if random.below(10) == 0 {
        request.fails_at_once = Some(headers(&[(":status", "503")]));
    }
    request
}

fn configure(port: u16, limit: u64) -> Filter {
    let mut policy: Value = serde_json::from_str(POLICY).expect("a policy");
    policy["buckets"]["sliding"]["limit"] = json!(1_000 + limit);
    let document = json!({ "ledger": format!("redis://127.0.0.1:{port}"), "policy": policy });
    Filter::configure(document.to_string().as_bytes()).expect("a valid configuration")
}

fn start_redis(program: &str, port: u16) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--port"])
        .arg(port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("a redis-server starts")
}

/// Runs a Redis, and kills it again and again.
fn run_redis(program: &str, port: u16, has_ended: impl Fn() -> bool) {
    while !has_ended() {
        let mut redis = start_redis(program, port);
        let began = Instant::now();
        while began.elapsed() < REDIS_LIVES && !has_ended() {
            std::thread::sleep(EXPORTS_EVERY);
        }
        redis.kill().and_then(|()| redis.wait()).expect("a redis-server stops");
        std::thread::sleep(REDIS_IS_AWAY);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, seconds] = arguments.as_slice() else {
        panic!("expected a redis-server and a number of seconds, got {arguments:?}");
    };
    let seconds: u64 = seconds.parse().expect("a number of seconds");
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    let port = port.expect("a free port").port();
    let soak = Soak {
        has_ended: AtomicBool::new(false),
        filter: RwLock::new(configure(port, 0)),
        counts: Counts::default(),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run_redis(program, port, || soak.has_ended()));
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn({
                    let soak = &soak;
                    move || soak.work(worker)
                })
            })
            .collect();
        soak.manage(seconds, port);
        workers.into_iter().for_each(|worker| worker.join().expect("a worker ends"));
    });
    let Soak { filter, counts, .. } = soak;
    filter.into_inner().unwrap_or_else(PoisonError::into_inner).destroy();
    let began = Instant::now();
    while !module_host::is_empty() && began.elapsed() < ENDS_WITHIN {
        std::thread::sleep(EXPORTS_EVERY);
    }
    module_host::assert_nothing_is_left();
    let Counts { passed, answered, redirected, left } = counts;
    println!("passed {passed:?}, answered {answered:?}, redirected {redirected:?}, left {left:?}");
}
