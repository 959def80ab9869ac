//! Measures how a decision's cost and a counter's memory depend on the number of counters in Redis:
//! `cargo bench -p tests --bench counters [-- MOST]`. Beside it, a script that does one GET and one SET
//! for each of the same counters shows what of the difference is the server's own.
//!
//! `MOST`, 10,000,000 by default, is the largest number of counters. One server for each number runs
//! all the time, and the measurements take turns. The servers together use about 170 bytes for each
//! counter.
//!
//! It asserts nothing, because timings vary between machines.

use ledger::script::{self, Call};
use limits::counter::{CounterName, Identity};
use limits::ledger::{Charge, Method, Periods, Request, Terms, TimeMs};
use limits::quota::{Limit, SlidingWindow, WindowMs};
use limits::wire::Cost;
use redis::Connection;
use tests::ledger::link::Link;
use tests::ledger::server::{LedgerServer, Script};

const MOST: u64 = 10_000_000;
const LEAST: u64 = 1_000;
const ROUNDS: u64 = 15;
/// The decisions of a round on one server.
const DECISIONS: u64 = 8_000;
/// The requests in a script: as many as a busy gateway sends at once, and as many as fit.
const BATCH: u64 = 16;
const FULL_BATCH: u64 = 256;
/// The scripts that are sent before their replies are read.
const AHEAD: u64 = 32;

/// The limit of each user.
#[derive(Clone, Copy)]
enum Kind {
    Daily(Periods),
    Sliding,
}

/// A server with a number of counters.
struct Filled {
    counters: u64,
    server: LedgerServer,
    link: Link,
    /// The memory of one counter, with its share of the tables that find it, in bytes.
    bytes: f64,
    /// The least CPU time so far, in µs: of a decision, and of a GET and a SET.
    least_us: [f64; 2],
}

/// The script to compare with. It leaves the counters as they are.
const PLAIN: &str = "for _, key in ipairs(KEYS) do \
    redis.call('SET', key, redis.call('GET', key), 'KEEPTTL') end";

fn main() {
    let most = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(MOST);
    for name in ["daily", "sliding"] {
        let mut all: Vec<Filled> = sizes(most).map(|counters| filled(counters, name)).collect();
        for round in 0..ROUNDS {
            all.iter_mut().for_each(|filled| filled.measure(name, round));
        }
        report(name, &all);
    }
}

fn sizes(most: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(LEAST), |size| size.checked_mul(10))
        .take_while(move |size| *size <= most)
}

fn filled(counters: u64, kind: &str) -> Filled {
    let server = LedgerServer::valkey9();
    let mut link = server.connect();
    let empty = info(connection(&mut link), "memory", "used_memory");
    let mut filled = Filled { counters, server, link, bytes: 0.0, least_us: [f64::INFINITY; 2] };
    let kind = filled.kind(kind);
    let batches: Vec<u64> = (0..counters).step_by(FULL_BATCH as usize).collect();
    for ahead in batches.chunks(AHEAD as usize) {
        let users = |first: &u64| (*first..counters.min(first + FULL_BATCH)).collect::<Vec<_>>();
        filled.decide(kind, ahead.iter().map(users));
    }
    let keys: u64 = redis::cmd("DBSIZE").query(connection(&mut filled.link)).expect("a number");
    assert_eq!(keys, counters, "each user has one counter");
    let used = info(connection(&mut filled.link), "memory", "used_memory") - empty;
    filled.bytes = used / counters as f64;
    filled
}

impl Filled {
    fn kind(&mut self, name: &str) -> Kind {
        if name == "sliding" {
            Kind::Sliding
        } else {
            Kind::Daily(days(connection(&mut self.link)))
        }
    }

    /// Decides one request of each user, a script for each item of `batches`.
    fn decide(&mut self, kind: Kind, batches: impl Iterator<Item = Vec<u64>>) {
        let mut pipe = redis::pipe();
        for call in calls(kind, batches) {
            pipe.add_command(self.server.command(Script::Decide, &call));
        }
        pipe.exec(connection(&mut self.link)).expect("replies");
    }

    /// Reads and writes the counters that [`Self::decide`] would.
    fn read_and_write(&mut self, kind: Kind, batches: impl Iterator<Item = Vec<u64>>) {
        let mut pipe = redis::pipe();
        for call in calls(kind, batches) {
            pipe.cmd("EVAL").arg(PLAIN).arg(call.keys.len()).arg(&call.keys);
        }
        pipe.exec(connection(&mut self.link)).expect("replies");
    }

    /// Measures decisions of users spread over all counters, and then the comparison with others.
    fn measure(&mut self, kind: &str, round: u64) {
        let kind = self.kind(kind);
        let decide = self.cost_us(|own, batches| own.decide(kind, batches.into_iter()), 2 * round);
        let plain = |own: &mut Self, batches: Vec<_>| own.read_and_write(kind, batches.into_iter());
        let plain = self.cost_us(plain, 2 * round + 1);
        self.least_us = [self.least_us[0].min(decide), self.least_us[1].min(plain)];
    }

    /// Returns the server's CPU time per user of `act`, in µs.
    fn cost_us(&mut self, act: impl Fn(&mut Self, Vec<Vec<u64>>), round: u64) -> f64 {
        let (scripts, counters) = (DECISIONS / BATCH, self.counters);
        let before = cpu_us(connection(&mut self.link));
        for first in (0..scripts).step_by(AHEAD as usize) {
            let users = |script: u64| {
                let first = round * DECISIONS + script * BATCH;
                // Spreads consecutive numbers evenly, and the same way in each run.
                let spread = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
                (first..first + BATCH).map(|number| spread(number) % counters).collect::<Vec<_>>()
            };
            act(self, (first..scripts.min(first + AHEAD)).map(users).collect());
        }
        (cpu_us(connection(&mut self.link)) - before) / DECISIONS as f64
    }
}

/// Returns the calls that decide one request of each user.
fn calls(kind: Kind, batches: impl Iterator<Item = Vec<u64>>) -> impl Iterator<Item = Call> {
    batches.map(move |users| {
        let requests: Vec<Request> = users.iter().map(|user| request(*user, kind)).collect();
        script::decide(&requests.iter().collect::<Vec<_>>())
    })
}

fn connection(link: &mut Link) -> &mut Connection {
    link.all().first_mut().expect("one server")
}

/// Returns today and tomorrow by the server's clock.
fn days(connection: &mut Connection) -> Periods {
    let (now_s, _): (u64, u64) = redis::cmd("TIME").query(connection).expect("the time");
    let start_ms = (now_s - now_s % 86_400) * 1_000;
    let bounds = [0, 1, 2].map(|day| TimeMs::clamped(start_ms + day * 86_400_000));
    Periods::new(bounds).expect("ascending bounds")
}

fn request(user: u64, kind: Kind) -> Request {
    let identity = Identity::derive(b"bench", [user.to_be_bytes().as_slice()]);
    let counter = CounterName::new(&identity, "ai_daily").expect("a bucket's name");
    let limit = Limit::clamped(1_000);
    let method = match kind {
        Kind::Daily(periods) => Method::FixedWindow { limit, periods },
        Kind::Sliding => {
            Method::SlidingWindow(SlidingWindow { limit, window_ms: WindowMs::clamped(86_400_000) })
        }
    };
    let (cost, terms) = (Cost::clamped(1), Terms::limited(method));
    let charge = Charge { counter, cost, enforce: true, terms, lease: None, block: None };
    Request::new(vec![charge]).expect("a request")
}

/// Returns the CPU time that the server has used so far, in µs.
fn cpu_us(connection: &mut Connection) -> f64 {
    let of = |name, connection: &mut Connection| info(connection, "cpu", name);
    (of("used_cpu_user", connection) + of("used_cpu_sys", connection)) * 1e6
}

/// Reads a number from the server's INFO.
fn info(connection: &mut Connection, section: &str, name: &str) -> f64 {
    let info: String =
        redis::cmd("INFO").arg(section).query(connection).expect("the server's INFO");
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).expect("a number")
}

fn report(kind: &str, all: &[Filled]) {
    let [first, ..] = all else { return };
    println!("\n{}, {kind}, in batches of {BATCH}:", first.server.name);
    for Filled { counters, bytes, least_us: [decide, plain], .. } in all {
        let [few_decide, few_plain] = first.least_us;
        println!(
            "  {counters:>10} counters: {decide:.2} µs of Redis CPU a decision ({:.2}), \
             {plain:.2} µs a GET and a SET ({:.2}), {bytes:.0} bytes a counter",
            decide / few_decide,
            plain / few_plain,
        );
    }
}
