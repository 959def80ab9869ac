//! Exact from below: what the limit leaves room for is admitted. What was given back counts no
//! more, whatever it was given back among, and a busy key gets all of its limit.
//!
//! What is due follows from when requests were answered: an exact sliding window, charge by charge,
//! says which of them it would have admitted.

use super::metrics::wait_for;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tests::gateway::{Gateway, Options, counter_of};
use tests::upstream::Upstream;
use tokio::net::TcpStream;
use xtask::clock::{Deadline, Stopwatch};

/// How much of what is due must be admitted: dates may be late by a 128th of the window, and so
/// may leases.
const LEAST_SHARE: f64 = 0.97;
/// How much longer than it must take a load goes on at most.
const PATIENCE: u64 = 4;
/// Connections that a load comes on.
const CONNECTIONS: usize = 16;

/// The ledger's clock.
struct LedgerClock(redis::Connection);

impl LedgerClock {
    fn of(gateway: &Gateway) -> Self {
        let url = xtask::stack::redis::url(gateway.redis.as_ref().unwrap());
        Self(redis::Client::open(url).unwrap().get_connection().unwrap())
    }

    fn now_ms(&mut self) -> u64 {
        let (s, us): (u64, u64) = redis::cmd("TIME").query(&mut self.0).unwrap();
        s * 1_000 + us / 1_000
    }

    fn wait_until(&mut self, at_ms: u64) {
        while let Some(left_ms) = at_ms.checked_sub(self.now_ms()).filter(|left| *left > 0) {
            std::thread::sleep(Duration::from_millis(left_ms));
        }
    }
}

#[test]
fn what_was_refunded_later_does_not_make_earlier_charges_count_longer() {
    let mut options = Options::default();
    options.policy["buckets"]["public"] =
        json!({ "key": "client", "limit": 5, "window": "10s", "refund": ["client_error"] });
    let gateway = Gateway::start(&options).unwrap();
    let (client, mut ledger) = (gateway.client(), LedgerClock::of(&gateway));
    let statuses = |path: &str, count: usize| -> Vec<u16> {
        (0..count).map(|_| client.get(path, None).status).collect()
    };
    let began_ms = ledger.now_ms();
    assert_eq!(statuses("/", 4), [200; 4], "four that count");
    let charged_ms = ledger.now_ms();
    ledger.wait_until(began_ms + 6_000);
    for settled in 1..=4 {
        assert_eq!(statuses("/nothing", 1), [404], "one of four that do not");
        let calls = [("kind", "settle"), ("outcome", "ok")];
        wait_for(&gateway, "tollgate_calls", &calls, settled);
    }
    // The first four have left, and the others never counted.
    ledger.wait_until(charged_ms + 10_300);
    let due_ms = ledger.now_ms();
    assert_eq!(statuses("/", 5), [200; 5], "five fit from 10.0 s on");
    let sixth = client.get("/", None);
    if ledger.now_ms() < due_ms + 10_000 {
        assert_eq!(sixth.status, 429, "{}", sixth.shown());
    }
}

#[test]
fn a_busy_key_of_3000_in_10_s_gets_its_limit() {
    let load = Load { limit: 3_000, window_s: 10, per_second: 450, windows: 1 };
    let busy = load.put_on(1);
    busy.check();
    assert!(busy.leases_spent > 0, "nothing was leased");
}

#[test]
fn a_busy_key_of_900_in_2_s_gets_its_limit() {
    let load = Load { limit: 900, window_s: 2, per_second: 675, windows: 4 };
    let busy = load.put_on(2);
    busy.check();
    assert!(busy.leases_spent > 0, "nothing was leased");
}

#[test]
fn a_busy_key_of_200_in_1_s_gets_its_limit() {
    Load { limit: 200, window_s: 1, per_second: 300, windows: 8 }.put_on(1).check();
}

#[test]
fn a_busy_key_of_100_in_1_s_gets_its_limit() {
    let busy = Load { limit: 100, window_s: 1, per_second: 150, windows: 8 }.put_on(1);
    busy.check();
    assert_eq!(busy.leases_spent, 0, "up to 128, each request is decided by itself");
}

/// One key's requests at a constant rate, half as many again as the limit admits, until the limit
/// has been admitted `windows` times and once more.
#[derive(Debug, Clone, Copy)]
struct Load {
    limit: usize,
    window_s: u64,
    per_second: u64,
    windows: usize,
}

/// What came of a load.
struct Busy {
    load: Load,
    /// When each request was answered, in µs, and whether it was admitted.
    answers: Vec<(u64, bool)>,
    leases_spent: u64,
}

impl Load {
    /// Puts it on a gateway with so many workers.
    fn put_on(self, workers: u32) -> Busy {
        let upstream = Upstream::start().unwrap();
        let mut options =
            Options { workers, upstream: Some(upstream.addr()), ..Options::default() };
        let window = format!("{}s", self.window_s);
        options.policy["buckets"]["public"] =
            json!({ "key": "client", "limit": self.limit, "window": window });
        let gateway = Gateway::start(&options).unwrap();
        let most_s = self.windows as u64 * self.window_s * PATIENCE;
        let under_way = UnderWay {
            load: self,
            watch: Stopwatch::start(),
            deadline: Deadline::after(Duration::from_secs(most_s)),
            next: AtomicU64::new(0),
            admitted: AtomicUsize::new(0),
            answers: Mutex::default(),
        };
        let to = gateway.client().to;
        std::thread::scope(|scope| {
            (0..CONNECTIONS).for_each(|_| drop(scope.spawn(|| under_way.take_part(to))));
        });
        let mut answers = under_way.answers.into_inner().unwrap();
        answers.sort_unstable();
        let leases_spent = counter_of(&gateway.envoys[0], "leases.spent");
        Busy { load: self, answers, leases_spent }
    }
}

/// A load, while it goes on.
struct UnderWay {
    load: Load,
    watch: Stopwatch,
    deadline: Deadline,
    next: AtomicU64,
    admitted: AtomicUsize,
    answers: Mutex<Vec<(u64, bool)>>,
}

impl UnderWay {
    /// One connection: takes the request that is due next, and the next. One that is late is sent
    /// at once.
    fn take_part(&self, gateway: SocketAddr) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = TcpStream::connect(gateway).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let _driven = tokio::spawn(connection);
            while !self.is_over() {
                let due = Duration::from_micros(self.take_next_us());
                tokio::time::sleep(due.saturating_sub(self.watch.elapsed())).await;
                let request = hyper::Request::get("/").header("host", "gateway");
                let request = request.body(Empty::<Bytes>::new()).unwrap();
                let reply = sender.send_request(request).await.unwrap();
                self.note(reply.status().as_u16());
                reply.into_body().collect().await.unwrap();
            }
        });
    }

    fn is_over(&self) -> bool {
        self.admitted.load(Ordering::Relaxed) > self.load.last() || self.deadline.has_passed()
    }

    fn take_next_us(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) * 1_000_000 / self.load.per_second
    }

    fn note(&self, status: u16) {
        assert!([200, 429].contains(&status), "{status}");
        let at_us = u64::try_from(self.watch.elapsed().as_micros()).unwrap();
        self.admitted.fetch_add(usize::from(status == 200), Ordering::Relaxed);
        self.answers.lock().unwrap().push((at_us, status == 200));
    }
}

impl Load {
    /// The request, of those admitted, that cannot be before so many windows have passed.
    const fn last(self) -> usize {
        self.limit * self.windows
    }

    fn window_us(self) -> u64 {
        self.window_s * 1_000_000
    }
}

impl Busy {
    /// That the last was admitted about as early as it was due.
    fn check(&self) {
        let Self { load, leases_spent, answers } = self;
        let admitted: Vec<u64> =
            answers.iter().filter(|(_, admitted)| *admitted).map(|(at_us, _)| *at_us).collect();
        let due = self.due();
        let took = |times: &[u64]| Some(times.get(load.last())? - times.first()?);
        let (due_us, took_us) = (took(&due), took(&admitted));
        let share = due_us.zip(took_us).map(|(due_us, took_us)| due_us as f64 / took_us as f64);
        let told = format!(
            "{load:?}: of {} requests {} were admitted; the {}th was due {due_us:?} µs after the \
             first and came {took_us:?} after it, a share of {share:?}; {leases_spent} leased",
            answers.len(),
            admitted.len(),
            load.last(),
        );
        println!("{told}");
        assert!(share.is_some_and(|share| share >= LEAST_SHARE), "{told}");
    }

    /// When requests are admitted by a window that counts each for as long as it must.
    fn due(&self) -> Vec<u64> {
        let mut due: Vec<u64> = Vec::new();
        for (at_us, _) in &self.answers {
            let before = due.len().checked_sub(self.load.limit).map(|at| due[at]);
            if before.is_none_or(|before_us| before_us + self.load.window_us() <= *at_us) {
                due.push(*at_us);
            }
        }
        due
    }
}
