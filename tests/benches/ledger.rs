//! Measures the cost of a decision in Redis: `cargo bench -p tests --bench ledger`.
//!
//! Prints ratios of the server's CPU time on Redis 7 and Valkey 9. All cases run interleaved in one
//! process. It asserts nothing, because timings vary between machines.

use ledger::script::{self, Call};
use limits::block::{Block, Refusals};
use limits::counter::{CounterName, Identity};
use limits::ledger::{Charge, Method, Periods, Request, Terms, TimeMs};
use limits::quota::{Limit, SlidingWindow, TokenBucket, WindowMs};
use limits::wire::Cost;
use redis::{Cmd, Connection};
use std::collections::BTreeMap;
use tests::ledger::server::{LedgerServer, Script};

const ROUNDS: usize = 15;
const CALLS: usize = 2_000;
const BATCH: usize = 16;
const GET_AND_SET: &str =
    "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return v";

/// A measured command and the number of decisions that it makes.
struct Case {
    name: &'static str,
    command: Cmd,
    decisions: usize,
    pipelined: bool,
}

fn main() {
    for server in [LedgerServer::redis7(), LedgerServer::valkey9()] {
        let mut link = server.connect();
        let [connection] = link.all() else { panic!("one server") };
        let cases = cases(&server, connection);
        let costs = measure(connection, &cases);
        report(&server.name, &cases, &costs);
    }
}

fn cases(server: &LedgerServer, connection: &mut Connection) -> Vec<Case> {
    let sha: String =
        redis::cmd("SCRIPT").arg("LOAD").arg(GET_AND_SET).query(connection).expect("a script");
    let mut baseline = redis::cmd("EVALSHA");
    baseline.arg(sha).arg(1).arg(counter(0, "baseline").as_str()).arg("x".repeat(85));
    let window = |limit| {
        Method::SlidingWindow(SlidingWindow {
            limit: Limit::clamped(limit),
            window_ms: WindowMs::clamped(60_000),
        })
    };
    let periods = two_days(connection);
    let fixed = Method::FixedWindow { limit: Limit::clamped(1 << 53), periods };
    let bucket = TokenBucket::new(
        Limit::clamped(1 << 20),
        WindowMs::clamped(1_000),
        Limit::clamped(1 << 40),
    );
    let tokens = Method::TokenBucket(bucket.expect("a valid token bucket"));
    let hot = |who| request(&[charge(counter(who, "hot"), window(1 << 53))]);
    let one = |name, request: Request| Case {
        name,
        command: command(server, &[&request]),
        decisions: 1,
        pipelined: true,
    };
    let batch = |name, requests: &[Request]| Case {
        name,
        command: command(server, &requests.iter().collect::<Vec<_>>()),
        decisions: requests.len(),
        pipelined: true,
    };
    let several: Vec<Request> = (0..BATCH).map(hot).collect();
    vec![
        Case { name: "one GET and one SET", command: baseline, decisions: 1, pipelined: true },
        one("sliding window, admitted", hot(100)),
        one("sliding window, denied", request(&[charge(counter(101, "full"), window(1))])),
        one("with a block, admitted", request(&[blocking(106, 1 << 53)])),
        one("with a block, blocked", request(&[blocking(107, 1)])),
        one("fixed window, admitted", request(&[charge(counter(102, "fixed"), fixed)])),
        one("token bucket, admitted", request(&[charge(counter(103, "tokens"), tokens)])),
        one(
            "two buckets, admitted",
            request(&[
                charge(counter(104, "ai"), window(1 << 53)),
                charge(counter(104, "ai_daily"), fixed),
            ]),
        ),
        batch("16 decisions of 16 counters", &several),
        batch("16 decisions of one counter", &vec![hot(200); BATCH]),
        Case { pipelined: false, ..one("one decision a round trip", hot(300)) },
        Case { pipelined: false, ..batch("16 decisions a round trip", &several) },
    ]
}

/// Returns today and tomorrow by the server's clock.
fn two_days(connection: &mut Connection) -> Periods {
    let (now_s, _): (u64, u64) = redis::cmd("TIME").query(connection).expect("the time");
    let start_ms = (now_s - now_s % 86_400) * 1_000;
    let bounds = [0, 1, 2].map(|day| TimeMs::clamped(start_ms + day * 86_400_000));
    Periods::new(bounds).expect("ascending bounds")
}

fn counter(who: usize, bucket: &str) -> CounterName {
    let identity = Identity::derive(b"bench", [who.to_be_bytes().as_slice()]);
    CounterName::new(&identity, bucket).expect("a bucket's name")
}

fn charge(counter: CounterName, method: Method) -> Charge {
    let terms = Terms::limited(method);
    Charge { counter, cost: Cost::clamped(1), enforce: true, terms, lease: None, block: None }
}

/// Returns a charge of a sliding window with a block.
fn blocking(who: usize, limit: u64) -> Charge {
    let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(60_000));
    let window = Method::SlidingWindow(SlidingWindow { limit, window_ms });
    let block = Block {
        after: Refusals::clamped(20),
        within_ms: WindowMs::clamped(600_000),
        for_ms: WindowMs::clamped(3_600_000),
        refused: None,
    };
    Charge { block: Some(block), ..charge(counter(who, "blocking"), window) }
}

fn request(charges: &[Charge]) -> Request {
    Request::new(charges.to_vec()).expect("a request")
}

fn command(server: &LedgerServer, requests: &[&Request]) -> Cmd {
    let call: Call = script::decide(requests);
    server.command(Script::Decide, &call)
}

/// Measures each case's lowest CPU time per decision, in µs.
fn measure(connection: &mut Connection, cases: &[Case]) -> BTreeMap<&'static str, f64> {
    let mut least = BTreeMap::new();
    for _ in 0..ROUNDS {
        for case in cases {
            let calls = CALLS / case.decisions;
            let before = cpu_us(connection);
            if case.pipelined {
                let mut pipe = redis::pipe();
                (0..calls).for_each(|_| {
                    pipe.add_command(case.command.clone());
                });
                pipe.exec(connection).expect("replies");
            } else {
                (0..calls).for_each(|_| case.command.exec(connection).expect("a reply"));
            }
            let cost = (cpu_us(connection) - before) / (calls * case.decisions) as f64;
            let entry = least.entry(case.name).or_insert(cost);
            *entry = entry.min(cost);
        }
    }
    least
}

/// Returns the CPU time that the server has used so far, in µs.
fn cpu_us(connection: &mut Connection) -> f64 {
    let info: String = redis::cmd("INFO").arg("cpu").query(connection).expect("the CPU time");
    let of = |name: &str| -> f64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim_start_matches(':').trim().parse().expect("a number")
    };
    (of("used_cpu_user") + of("used_cpu_sys")) * 1e6
}

fn report(server: &str, cases: &[Case], costs: &BTreeMap<&'static str, f64>) {
    println!("\n{server}: the server's CPU time per decision");
    let baseline = costs["one GET and one SET"];
    for Case { name, .. } in cases {
        let cost = costs[name];
        println!("  {name:<30} {cost:>6.2} µs  {:>5.2} × a GET and a SET", cost / baseline);
    }
    let ratio = |batch: &str, single: &str| costs[batch] / costs[single];
    for (batch, single) in [
        ("16 decisions of 16 counters", "sliding window, admitted"),
        ("16 decisions of one counter", "sliding window, admitted"),
        ("16 decisions a round trip", "one decision a round trip"),
    ] {
        println!("  {batch}: {:.2} of “{single}”", ratio(batch, single));
    }
}
