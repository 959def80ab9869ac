//! Limits are exact from below: every request that fits is admitted. Refunds free capacity at once,
//! and a busy key gets its whole limit.

use super::metrics::wait_for;
use harness::busy::Busy;
use serde_json::json;
use std::time::Duration;
use tests::gateway::{Gateway, Options, counter_of};
use tests::upstream::Upstream;

/// The minimum share of the limit that must be admitted. Charges may expire late by a 128th of the
/// window, and so may leases.
const LEAST_SHARE: f64 = 0.97;
/// A connection to the ledger that reads its clock.
struct LedgerClock(redis::Connection);

impl LedgerClock {
    fn of(gateway: &Gateway) -> Self {
        let url = harness::stack::redis::url(gateway.redis.as_ref().unwrap());
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
fn refunds_do_not_extend_earlier_charges() {
    let mut options = Options::default();
    options.policy["buckets"]["public"] =
        json!({ "key": "client", "limit": 5, "window": "10s", "refund": ["client_error"] });
    let gateway = Gateway::start(&options).unwrap();
    let (client, mut ledger) = (gateway.client(), LedgerClock::of(&gateway));
    let statuses = |path: &str, count: usize| -> Vec<u16> {
        (0..count).map(|_| client.get(path, None).status).collect()
    };
    let began_ms = ledger.now_ms();
    assert_eq!(statuses("/", 4), [200; 4], "four charged requests");
    let charged_ms = ledger.now_ms();
    ledger.wait_until(began_ms + 6_000);
    for settled in 1..=4 {
        assert_eq!(statuses("/nothing", 1), [404], "one of four refunded requests");
        let calls = [("kind", "settle"), ("outcome", "ok")];
        wait_for(&gateway, "tollgate_calls", &calls, settled);
    }
    // The first four charges have expired, and the others were refunded.
    ledger.wait_until(charged_ms + 10_300);
    let due_ms = ledger.now_ms();
    assert_eq!(statuses("/", 5), [200; 5], "the whole limit is free after 10 s");
    let sixth = client.get("/", None);
    if ledger.now_ms() < due_ms + 10_000 {
        assert_eq!(sixth.status, 429, "{}", sixth.as_text());
    }
}

#[test]
fn a_busy_key_of_3000_in_10_s_gets_its_limit() {
    let leased = assert_gets_limit(
        Busy { limit: 3_000, window_s: 10, per_second: 450, windows: 1 },
        &Options::default(),
    );
    assert!(leased > 0, "nothing was leased");
}

#[test]
fn a_busy_key_of_900_in_2_s_gets_its_limit() {
    let leased = assert_gets_limit(
        Busy { limit: 900, window_s: 2, per_second: 675, windows: 4 },
        &Options { workers: 2, ..Options::default() },
    );
    assert!(leased > 0, "nothing was leased");
}

#[test]
fn a_busy_key_of_200_in_1_s_gets_its_limit() {
    assert_gets_limit(
        Busy { limit: 200, window_s: 1, per_second: 300, windows: 8 },
        &Options::default(),
    );
}

#[test]
fn a_busy_key_of_100_in_1_s_gets_its_limit() {
    let leased = assert_gets_limit(
        Busy { limit: 100, window_s: 1, per_second: 150, windows: 8 },
        &Options::default(),
    );
    assert_eq!(leased, 0, "limits up to 128 are never leased");
}

/// Sends 1.5 times the limit and asserts that the limit is used up. Returns the amount spent from
/// leases.
fn assert_gets_limit(busy: Busy, options: &Options) -> u64 {
    let upstream = Upstream::start().unwrap();
    let mut options = Options { upstream: Some(upstream.addr()), ..options.clone() };
    let window = format!("{}s", busy.window_s);
    options.policy["buckets"]["public"] =
        json!({ "key": "client", "limit": busy.limit, "window": window });
    let gateway = Gateway::start(&options).unwrap();
    let got = busy.put_on(gateway.client().to, "nobody").unwrap();
    let leased = counter_of(&gateway.envoys[0], "leases.spent");
    let summary = format!("{busy:?}: {:.3} of the limit, {leased} leased", got.share());
    println!("{summary}");
    assert!(got.share() >= LEAST_SHARE, "{summary}");
    leased
}
