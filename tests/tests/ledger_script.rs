//! The shipped scripts on the server's own clock: stored values, their size and lifetime, and the
//! handling of corrupted values.

use harness::clock::Deadline;
use ledger::script::{self, Reply};
use limits::block::{Block, Refusals};
use limits::counter::{CounterName, Identity};
use limits::ledger::{
    Charge, Decided, Method, Periods, Request, Settle, SettleCharge, SettleId, Standing,
    TOP_UP_REMEMBERED_MS, Terms, TimeMs, TopUp, TopUpEffect, ToppedUp,
};
use limits::quota::{Balance, Limit, SlidingWindow, Start, TokenBucket, TopUpAmount, WindowMs};
use limits::wire::{Cost, LeaseAsk, LeaseWish, SettleAmount, Settled};
use redis::Value;
use std::time::Duration;
use tests::ledger::link::Link;
use tests::ledger::server::{LONGER_MS, LedgerServer, Script, bytes};

const WINDOW_MS: u64 = 60_000;

/// A ledger and connections to it.
struct Bench {
    server: LedgerServer,
    link: Link,
}

impl Bench {
    fn decide(&mut self, requests: &[&Request]) -> Reply<Decided> {
        let command = self.server.command(Script::Decide, &script::decide(requests));
        let reply = self.ask(&requests[0].charges()[0].counter, &command).expect("a reply");
        let reply = script::decided(requests, &bytes(&reply)).expect("decisions");
        let answers = reply.answers.into_iter().map(|answer| answer.expect("a decision"));
        Reply { now_ms: reply.now_ms, answers: answers.collect(), damaged: reply.damaged }
    }

    fn decide_one(&mut self, charge: &Charge) -> (u64, Decided) {
        let request = Request::new(vec![charge.clone()]).expect("a request");
        let mut reply = self.decide(&[&request]);
        (reply.now_ms, reply.answers.remove(0))
    }

    fn decide_at(&mut self, now_ms: u64, charge: &Charge) -> Decided {
        let request = Request::new(vec![charge.clone()]).expect("a request");
        let call = script::decide(&[&request]);
        let command = self.server.command_at(Script::Decide, &call, now_ms);
        let reply = self.ask(&charge.counter, &command).expect("a reply");
        let mut reply = script::decided(&[&request], &bytes(&reply)).expect("a decision");
        reply.answers.remove(0).expect("a decision")
    }

    fn settle(&mut self, settle: &Settle) -> Settled {
        let command = self.server.command(Script::Settle, &script::settle(&[settle]));
        let reply = self.ask(&settle.charges()[0].counter, &command).expect("a reply");
        let mut reply = script::settled(&[settle], &bytes(&reply)).expect("a settle");
        reply.answers.remove(0).expect("a settle")
    }

    /// Runs a command on the server that has `counter`.
    fn ask(&mut self, counter: &CounterName, command: &redis::Cmd) -> redis::RedisResult<Value> {
        self.link.query(Some(counter.as_str()), command)
    }

    /// Runs any other command. If it names a key, it goes to the server that has the key.
    fn query<T: redis::FromRedisValue>(&mut self, command: &[&str]) -> T {
        let key = command.iter().copied().find(|word| word.starts_with("tg:"));
        let mut built = redis::cmd(command[0]);
        built.arg(&command[1..]);
        self.link.query(key, &built).expect("a reply")
    }

    /// Runs a command on every server.
    fn on_all<T: redis::FromRedisValue>(&mut self, command: &str) -> Vec<T> {
        let nodes = self.link.all().iter_mut();
        nodes.map(|node| redis::cmd(command).query(node).expect("a reply")).collect()
    }

    /// Returns the number of keys on all servers.
    fn keys(&mut self) -> u64 {
        self.on_all::<u64>("DBSIZE").iter().sum()
    }

    fn time_ms(&mut self) -> u64 {
        let (seconds, micros): (u64, u64) = self.query(&["TIME"]);
        seconds * 1_000 + micros / 1_000
    }
}

fn on_each_server(test: impl Fn(&mut Bench)) {
    for start in LedgerServer::EACH {
        let server = start();
        eprintln!("on {}", server.name);
        let link = server.connect();
        test(&mut Bench { server, link });
    }
}

fn counter(who: &str, bucket: &str) -> CounterName {
    let identity = Identity::derive(b"script", [who.as_bytes()]);
    CounterName::new(&identity, bucket).expect("a bucket's name")
}

fn charge(counter: CounterName, method: Method) -> Charge {
    let terms = Terms::limited(method);
    Charge { counter, cost: Cost::clamped(1), enforce: true, terms, lease: None, block: None }
}

fn sliding(limit: u64, window_ms: u64) -> Method {
    Method::SlidingWindow(SlidingWindow {
        limit: Limit::new(limit).expect("a limit"),
        window_ms: WindowMs::new(window_ms).expect("a window"),
    })
}

fn fixed(limit: u64, now_ms: u64, period_ms: u64) -> Method {
    let start_ms = now_ms - now_ms % period_ms;
    let bounds = [0, 1, 2].map(|n| TimeMs::clamped(start_ms + n * period_ms));
    let periods = Periods::new(bounds).expect("ascending bounds");
    Method::FixedWindow { limit: Limit::new(limit).expect("a limit"), periods }
}

fn tokens(rate: u64, per_ms: u64, burst: u64) -> Method {
    let (rate, burst) = (Limit::clamped(rate), Limit::clamped(burst));
    Method::TokenBucket(
        TokenBucket::new(rate, WindowMs::clamped(per_ms), burst).expect("a valid token bucket"),
    )
}

fn balance(start: u64) -> Method {
    Method::Balance(Balance { start: Start::clamped(start) })
}

fn give_back(charge: &Charge, id: &str, decision_ms: u64) -> Settle {
    let part = SettleCharge {
        counter: charge.counter.clone(),
        terms: charge.terms,
        amount: SettleAmount::GiveBack(Limit::clamped(1)),
        lease_ms: None,
    };
    let id = SettleId::try_from(id.to_owned()).expect("an id");
    Settle::new(id, TimeMs::clamped(decision_ms), vec![part]).expect("a settle")
}

/// Encodes a sliding window as `count.lua` stores it.
fn log(tag: u8, lives_ms: u64, seen_ms: u64, total: u64, entries: &[(u64, u64)]) -> Vec<u8> {
    let number = |value: u64, width: usize| value.to_le_bytes().into_iter().take(width);
    let head = number(lives_ms, 6).chain(number(seen_ms, 6)).chain(number(total, 7));
    let entries = entries.iter().flat_map(|(at, cost)| number(*at, 6).chain(number(*cost, 7)));
    std::iter::once(tag).chain(head).chain(entries).collect()
}

/// Values that no script of ours would write.
fn damaged_values(now_ms: u64) -> Vec<(&'static str, Vec<u8>)> {
    let century = now_ms + 100 * 366 * 86_400_000;
    vec![
        ("text", b"garbage".to_vec()),
        ("one byte", b"s".to_vec()),
        ("a number", b"42".to_vec()),
        ("a log cut short", log(b's', now_ms, now_ms, 1, &[(now_ms, 1)])[..30].to_vec()),
        ("a log without entries", log(b's', now_ms, now_ms, 5, &[])),
        ("a log that lost a cost", log(b's', now_ms, now_ms, 1, &[(now_ms - 2 * WINDOW_MS, 7)])),
        ("a log of the far future", log(b's', now_ms, century, 1, &[(century, 1)])),
        ("entries of the far future", log(b's', now_ms, now_ms, 1, &[(century, 1)])),
        ("a total past 2^53", log(b's', now_ms, now_ms, (1 << 56) - 1, &[(now_ms, 1)])),
        ("134 entries", log(b's', now_ms, now_ms, 134, &[(now_ms, 1); 134])),
        ("every byte set", vec![0xff; 59]),
        ("zeros", vec![0; 33]),
    ]
}

#[test]
fn a_damaged_value_counts_as_absent_and_is_reported_once() {
    on_each_server(|bench| {
        let now_ms = bench.time_ms();
        for (what, value) in damaged_values(now_ms) {
            bench.on_all::<()>("FLUSHALL");
            let names = ["before", "damaged", "after"].map(|bucket| counter(what, bucket));
            let key = names[1].as_str();
            bench.ask(&names[1], redis::cmd("SET").arg(key).arg(&value)).expect("OK");
            check_damaged(bench, &names, what);
        }
        for (what, command) in [
            ("a list", ["RPUSH", "x", "1"].as_slice()),
            ("a hash", &["HSET", "x", "a", "1"]),
            ("a set", &["SADD", "x", "1"]),
        ] {
            bench.on_all::<()>("FLUSHALL");
            let names = ["before", "damaged", "after"].map(|bucket| counter(what, bucket));
            let mut command = command.to_vec();
            command[1] = names[1].as_str();
            bench.query::<()>(&command);
            check_damaged(bench, &names, what);
        }
    });
}

/// Checks a batch with a damaged counter between two intact ones.
fn check_damaged(bench: &mut Bench, names: &[CounterName; 3], what: &str) {
    let requests = names
        .clone()
        .map(|name| Request::new(vec![charge(name, sliding(5, WINDOW_MS))]).expect("a request"));
    let batch: Vec<&Request> = requests.iter().collect();
    let reply = bench.decide(&batch);
    assert_eq!(reply.damaged, [names[1].clone()], "{what}");
    for decided in &reply.answers {
        assert!(decided.admitted, "{what}");
        assert_eq!(decided.charges[0].remaining, 4, "{what}");
    }
    let again = bench.decide(&batch);
    assert!(again.damaged.is_empty(), "{what}: reported again");
    assert!(again.answers.iter().all(|decided| decided.charges[0].remaining == 3), "{what}");
    for name in names {
        assert!(bench.query::<i64>(&["PTTL", name.as_str()]) > 0, "{what}");
    }
}

#[test]
fn a_damaged_value_is_dropped_even_if_the_request_is_denied() {
    on_each_server(|bench| {
        let (full, bad) = (counter("denied", "full"), counter("denied", "bad"));
        let one = charge(full.clone(), sliding(1, WINDOW_MS));
        assert!(bench.decide_one(&one).1.admitted);
        for method in [sliding(5, WINDOW_MS), tokens(1, 1_000, 5)] {
            bench.query::<()>(&["SET", bad.as_str(), "garbage"]);
            let charges = vec![charge(bad.clone(), method), one.clone()];
            let request = Request::new(charges).expect("a request");
            let reply = bench.decide(&[&request]);
            assert!(!reply.answers[0].admitted);
            assert_eq!(reply.damaged, std::slice::from_ref(&bad));
            assert!(!bench.query::<bool>(&["EXISTS", bad.as_str()]), "charged, or left damaged");
            assert!(bench.decide(&[&request]).damaged.is_empty());
        }
        // A value of another type, in a request with no other counter, takes a different read path.
        bench.query::<()>(&["DEL", bad.as_str()]);
        bench.query::<()>(&["RPUSH", bad.as_str(), "x"]);
        let request = Request::new(vec![charge(bad.clone(), sliding(5, WINDOW_MS))]).unwrap();
        let reply = bench.decide(&[&request]);
        assert_eq!(reply.damaged, std::slice::from_ref(&bad));
        assert_eq!(reply.answers[0].charges[0].remaining, 4);
        // A peek reports the damage but writes nothing.
        bench.query::<()>(&["SET", bad.as_str(), "garbage"]);
        let peeked = charge(bad.clone(), sliding(5, WINDOW_MS));
        let command = bench.server.command(Script::Peek, &script::peek(&[&peeked]));
        let reply = bench.ask(&bad, &command).expect("a reply");
        let reply = script::peeked(&[&peeked], &bytes(&reply)).expect("a peek");
        assert_eq!(reply.damaged, std::slice::from_ref(&bad));
        assert_eq!(bench.query::<String>(&["GET", bad.as_str()]), "garbage");
    });
}

#[test]
fn a_failed_call_charges_nothing() {
    on_each_server(|bench| {
        let names = ["one", "two"].map(|bucket| counter("failing", bucket));
        let requests = names.clone().map(|name| {
            Request::new(vec![charge(name, sliding(5, WINDOW_MS))]).expect("a request")
        });
        let mut call = script::decide(&requests.iter().collect::<Vec<_>>());
        call.records.truncate(call.records.len() - 9);
        let command = bench.server.command(Script::Decide, &call);
        assert!(bench.ask(&names[0], &command).is_err());
        for name in &names {
            assert!(!bench.query::<bool>(&["EXISTS", name.as_str()]));
        }
    });
}

#[test]
fn a_counter_is_small() {
    on_each_server(|bench| {
        let now_ms = bench.time_ms();
        let most_bytes = 200 + bench.server.cluster_overhead_bytes();
        for bucket in ["auth", "authenticated"] {
            let five = charge(counter("small", bucket), sliding(5, WINDOW_MS));
            for step in 0..5 {
                assert!(bench.decide_at(now_ms + step, &five).admitted);
            }
            let used: u64 = bench.query(&["MEMORY", "USAGE", five.counter.as_str()]);
            assert!(used <= most_bytes, "{bucket}, limit 5: {used} bytes");
        }
        // The maximum number of entries, of the maximum size.
        let most = charge(counter("large", "authenticated"), sliding(1 << 53, 1_280_000));
        let most = Charge { cost: Cost::clamped(1 << 45), ..most };
        let slot_ms = 10_000;
        let first_ms = now_ms - now_ms % slot_ms;
        assert!(bench.decide_at(first_ms + slot_ms - 1, &most).admitted);
        for slot in 1..=128 {
            assert!(bench.decide_at(first_ms + slot * slot_ms, &most).admitted);
        }
        for slots_ahead in 1..=4 {
            let wish = LeaseWish::clamped(1);
            let lease_ms = WindowMs::clamped(slots_ahead * slot_ms);
            let leased = Charge { lease: Some(LeaseAsk { wish, lease_ms }), ..most.clone() };
            assert!(bench.decide_at(first_ms + 128 * slot_ms, &leased).charges[0].lease.is_some());
        }
        let key = most.counter.as_str();
        assert_eq!(bench.query::<usize>(&["STRLEN", key]), 20 + 133 * 13);
        let used: u64 = bench.query(&["MEMORY", "USAGE", key]);
        assert!(used <= 2_300, "the largest window: {used} bytes");
        for (what, method) in [
            ("fixed", fixed(10, now_ms, 86_400_000)),
            ("tokens", tokens(1, 1_000, 9)),
            ("balance", balance(9)),
        ] {
            let one = charge(counter("other", what), method);
            assert!(bench.decide_at(now_ms, &one).admitted);
            let used: u64 = bench.query(&["MEMORY", "USAGE", one.counter.as_str()]);
            assert!(used <= most_bytes, "{what}: {used} bytes");
        }
    });
}

#[test]
fn refusals_and_blocks_are_small_expire_and_are_reported() {
    on_each_server(|bench| {
        let now_ms = bench.time_ms();
        let most_bytes = 200 + bench.server.cluster_overhead_bytes();
        let plain = charge(counter("blocked", "auth"), sliding(1, WINDOW_MS));
        let ms = WindowMs::clamped;
        let after = Refusals::clamped(5);
        let (within_ms, for_ms) = (ms(60_000), ms(3_600_000));
        let block = Block { after, within_ms, for_ms, refused: None };
        let blocking = Charge { block: Some(block), ..plain.clone() };
        let refusals = plain.counter.refusals();
        assert!(bench.decide_at(now_ms, &blocking).admitted);
        let stored: Option<Vec<u8>> = bench.query(&["GET", &refusals]);
        assert_eq!(stored, None, "a counter that was never refused has no refusals");
        for step in 1..5 {
            assert!(!bench.decide_at(now_ms + step, &blocking).charges[0].blocked);
        }
        assert_eq!(bench.query::<usize>(&["STRLEN", &refusals]), 20 + 4 * 13);
        let used: u64 = bench.query(&["MEMORY", "USAGE", &refusals]);
        assert!(used <= most_bytes, "{used} bytes");
        let blocked = bench.decide_at(now_ms + 5, &blocking).charges[0];
        assert_eq!((blocked.blocked, blocked.retry_after_ms), (true, 3_600_000));
        assert_eq!(bench.query::<usize>(&["STRLEN", &refusals]), 7);
        let lives_ms: u64 = bench.query(&["PTTL", &refusals]);
        assert!((3_550_000..=LONGER_MS + 3_600_000).contains(&lives_ms), "{lives_ms} ms");
        assert!(!bench.decide_at(now_ms + 6, &plain).charges[0].blocked, "without `block`");
        assert!(bench.decide_at(now_ms + 3_600_005, &blocking).admitted);
    });
}

#[test]
fn a_damaged_block_counts_as_absent() {
    on_each_server(|bench| {
        let now_ms = bench.time_ms();
        let block = Block {
            after: Refusals::clamped(2),
            within_ms: WindowMs::clamped(1_000),
            for_ms: WindowMs::clamped(1_000),
            refused: None,
        };
        let plain = charge(counter("damaged block", "auth"), sliding(1, WINDOW_MS));
        let one = Charge { block: Some(block), ..plain };
        assert!(bench.decide_at(now_ms, &one).admitted);
        let refusals = one.counter.refusals();
        for value in ["?", "b", "s", "b\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}", "bbbbbbbbbbbbb"] {
            let _: String = bench.query(&["SET", &refusals, value]);
            let refused = [0, 1].map(|_| bench.decide_at(now_ms, &one).charges[0].blocked);
            assert_eq!(refused, [false, true], "{value:?}");
        }
    });
}

#[test]
fn a_key_expires_at_most_an_eighth_later_than_its_window() {
    on_each_server(|bench| {
        let now_ms = bench.time_ms();
        let end_ms = now_ms - now_ms % 86_400_000 + 86_400_000;
        for (what, method, cost, counts_ms) in [
            ("sliding", sliding(9, WINDOW_MS), 1, WINDOW_MS),
            ("fixed", fixed(9, now_ms, 86_400_000), 1, end_ms - now_ms),
            ("tokens", tokens(1, 10_000, 8), 6, 60_000),
        ] {
            let one = Charge { cost: Cost::clamped(cost), ..charge(counter("ttl", what), method) };
            assert!(bench.decide_at(now_ms, &one).admitted);
            let lives_ms: u64 = bench.query(&["PTTL", one.counter.as_str()]);
            let most_ms = LONGER_MS + counts_ms + counts_ms.max(80_000) / 8;
            // The tolerance is longer than this test takes.
            assert!(lives_ms <= most_ms, "{what}: {lives_ms} ms");
            assert!(lives_ms + 50_000 >= LONGER_MS + counts_ms, "{what}: {lives_ms} ms");
        }
    });
}

#[test]
fn no_keys_remain_after_their_windows() {
    on_each_server(|bench| {
        assert_eq!(bench.keys(), 0);
        let short_ms = 300;
        for who in 0..40 {
            let who = who.to_string();
            let now_ms = bench.time_ms();
            for (what, method) in [
                ("small", sliding(5, short_ms)),
                ("large", sliding(500, short_ms)),
                ("fixed", fixed(5, now_ms, short_ms)),
                ("tokens", tokens(1, short_ms / 5, 5)),
            ] {
                let one = charge(counter(&who, what), method);
                let request = Request::new(vec![one.clone()]).expect("a request");
                let call = script::decide(&[&request]);
                let command = bench.server.command(Script::Decide, &call);
                let reply = bench.ask(&one.counter, &command).expect("a reply");
                // Decode only: if the period has just changed, nothing was charged.
                let reply = script::decided(&[&request], &bytes(&reply)).expect("a decision");
                if what == "small" {
                    bench.settle(&give_back(&one, "a", reply.now_ms));
                }
            }
        }
        let deadline = Deadline::after(Duration::from_secs(20));
        while bench.keys() > 0 {
            assert!(!deadline.has_passed(), "{} keys remain", bench.keys());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

/// A period long enough for a few calls even on a busy machine.
const PERIOD_MS: u64 = 4_000;

/// Waits until the first quarter of a period and returns the server's time.
fn early_in_a_period(bench: &mut Bench) -> u64 {
    let deadline = Deadline::after(Duration::from_secs(20));
    loop {
        let now_ms = bench.time_ms();
        if now_ms % PERIOD_MS < PERIOD_MS / 4 {
            return now_ms;
        }
        assert!(!deadline.has_passed(), "the server's clock stands still");
    }
}

/// Creates a method that starts now.
type Begin = fn(&mut Bench) -> Method;

/// Uses up a new counter and returns a denied charge, the time and the decision. On a busy machine
/// the wait may already be over; then it tries again with another counter.
fn exhausted_counter(bench: &mut Bench, what: &str, method: Begin) -> (Charge, u64, Decided) {
    let attempt = |number: u32| {
        let method = method(bench);
        let one = charge(counter(&format!("honest {number}"), what), method);
        let all = Charge { cost: Cost::clamped(method.limit()), ..one.clone() };
        let (charged_ms, charged) = bench.decide_one(&all);
        assert!(charged.admitted, "{what}");
        let (denied_ms, denied) = bench.decide_one(&one);
        assert!(!denied.admitted || denied_ms - charged_ms >= 1_000, "{what}: admitted too soon");
        (!denied.admitted).then_some((one, denied_ms, denied))
    };
    (0..20).find_map(attempt).expect("two calls within the wait")
}

#[test]
fn waiting_for_retry_after_is_enough_and_any_less_is_not() {
    on_each_server(|bench| {
        let methods: [(&str, Begin); 4] = [
            ("fixed", |bench| fixed(3, early_in_a_period(bench), PERIOD_MS)),
            ("few", |_| sliding(3, 2_000)),
            ("many", |_| sliding(1_000, 2_000)),
            ("tokens", |_| tokens(3, 6_000, 6)),
        ];
        for (what, method) in methods {
            let (one, denied_ms, denied) = exhausted_counter(bench, what, method);
            let then_ms = denied_ms + denied.retry_after_ms;
            assert!(
                what != "fixed" || then_ms.is_multiple_of(PERIOD_MS),
                "the wait ends with the period"
            );
            // Poll: every decision before `then_ms` is a denial, and the first one after is an
            // admission.
            let deadline = Deadline::after(Duration::from_secs(20));
            loop {
                let (now_ms, decided) = bench.decide_one(&one);
                assert_eq!(decided.admitted, now_ms >= then_ms, "{what}: {now_ms} and {then_ms}");
                if decided.admitted {
                    break;
                }
                assert_eq!(now_ms + decided.retry_after_ms, then_ms, "{what}");
                assert!(!deadline.has_passed(), "{what}");
            }
        }
    });
}

#[test]
fn a_settle_delivered_three_times_counts_once() {
    on_each_server(|bench| {
        let one = charge(counter("settled", "ai"), sliding(5, WINDOW_MS));
        let (decided_ms, _) = bench.decide_one(&one);
        bench.decide_one(&one);
        let settle = give_back(&one, "once", decided_ms);
        assert_eq!(bench.settle(&settle), Settled { applied: true, remaining: vec![4] });
        for _ in 0..2 {
            assert_eq!(bench.settle(&settle), Settled { applied: false, remaining: vec![4] });
        }
        let mark_ms: u64 = bench.query(&["PTTL", &settle.mark()]);
        assert!(mark_ms <= WINDOW_MS, "a mark must not outlive the window");
    });
}

#[test]
fn a_key_without_an_expiry_gets_one() {
    on_each_server(|bench| {
        let mut one = charge(counter("persisted", "ai"), sliding(5, 1_000));
        bench.decide_one(&one);
        bench.query::<()>(&["PERSIST", one.counter.as_str()]);
        // A longer window needs a longer expiry.
        one.terms = Terms { method: sliding(5, WINDOW_MS), standing: Standing::Limited };
        bench.decide_one(&one);
        assert!(bench.query::<i64>(&["PTTL", one.counter.as_str()]) > 0);
    });
}

#[test]
fn a_balance_never_expires() {
    on_each_server(|bench| {
        // Not even if the key held another counter before.
        for before in [None, Some(sliding(5, 1_000)), Some(fixed(5, bench.time_ms(), 86_400_000))] {
            bench.on_all::<()>("FLUSHALL");
            let mut one = charge(counter("kept", "credits"), balance(5));
            if let Some(method) = before {
                let other = Charge { terms: Terms::limited(method), ..one.clone() };
                bench.decide_one(&other);
            }
            let (now_ms, decided) = bench.decide_one(&one);
            assert_eq!(decided.charges[0].remaining, 4);
            let key = one.counter.to_string();
            let life_ms = |bench: &mut Bench| bench.query::<i64>(&["PTTL", &key]);
            assert_eq!(life_ms(bench), -1);
            assert!(bench.settle(&give_back(&one, "back", now_ms)).applied);
            assert_eq!(life_ms(bench), -1);
            let id = SettleId::try_from("payment".to_owned()).expect("an id");
            let top_up =
                TopUp { counter: one.counter.clone(), amount: TopUpAmount::clamped(7), id };
            let command = bench.server.command(Script::TopUp, &script::top_up(&top_up));
            let reply = bench.ask(&one.counter, &command).expect("a reply");
            let reply = script::topped_up(&top_up, &bytes(&reply)).expect("a top-up");
            assert_eq!(reply.answers[0], ToppedUp { effect: TopUpEffect::Added, added: 7 });
            assert_eq!(life_ms(bench), -1);
            let mark_ms = bench.query::<u64>(&["PTTL", &top_up.mark()]);
            assert!(mark_ms <= TOP_UP_REMEMBERED_MS && mark_ms > TOP_UP_REMEMBERED_MS - 60_000);
            one.cost = Cost::clamped(12);
            assert!(bench.decide_one(&one).1.admitted, "5 to start with and 7 topped up");
        }
    });
}

#[test]
fn one_call_decides_a_thousand_requests_in_order() {
    on_each_server(|bench| {
        let request =
            Request::new(vec![charge(counter("order", "ai"), sliding(700, WINDOW_MS))]).unwrap();
        let reply = bench.decide(&vec![&request; 1_000]);
        for (at, decided) in (1_u64..).zip(&reply.answers) {
            assert_eq!(decided.admitted, at <= 700, "request {at}");
            assert_eq!(decided.charges[0].remaining, 700_u64.saturating_sub(at));
        }
    });
}

#[test]
fn one_call_decides_more_counters_than_luas_stack_holds() {
    on_each_server(|bench| {
        let counters = (0..9_000).map(|at| counter("many", &format!("b{at}")));
        let requests = counters.map(|counter| {
            Request::new(vec![charge(counter, sliding(5, WINDOW_MS))]).expect("a request")
        });
        let requests: Vec<_> = requests.collect();
        let batch: Vec<_> = requests.iter().collect();
        for left in [4, 3] {
            let reply = bench.decide(&batch);
            assert!(reply.answers.iter().all(|decided| decided.charges[0].remaining == left));
        }
    });
}
