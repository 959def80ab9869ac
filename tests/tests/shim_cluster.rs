//! `tollgate serve` before a Redis Cluster of three real processes.

use harness::stack::Server;
use limits::counter::CounterName;
use limits::quota::{Period, Quota};
use limits::wire::{Charge, Cost, DecisionError};
use redis::{FromRedisValue, Value};
use std::collections::HashMap;
use tempfile::TempDir;
use tests::shim::cluster::Cluster;
use tests::shim::proxy::{Fate, Proxy};
use tests::shim::{
    Api, TOKEN, charge, counter, fixed, give_back, only_charge, request, settle, sliding,
    start_shim, tokens, wait_for,
};

const MINUTE_MS: u64 = 60_000;
/// For an answer of a server that is made silent: enough for those that are not, on a busy machine.
const SILENCE: [(&str, &str); 1] = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "2000")];

struct Stack {
    shim: Server,
    cluster: Cluster,
    _dir: TempDir,
}

impl Stack {
    fn start() -> (Self, Api) {
        Self::before(Cluster::start(), &[])
    }

    fn before(cluster: Cluster, env: &[(&str, &str)]) -> (Self, Api) {
        let dir = TempDir::new().expect("a folder");
        let mut shim = start_shim(dir.path(), &cluster.url(), env);
        shim.wait_ready().expect("the shim gets ready");
        let stack = Self { shim, cluster, _dir: dir };
        // Healthy is any part of it; the tests want all three.
        wait_for("all three to be connected", || {
            stack.health().contains(r#""status":"ok""#).then_some(())
        });
        let api = Api::connect(stack.shim.addr());
        (stack, api)
    }

    /// How many scripts of a kind the shim has sent.
    fn scripts(&self, kind: &str) -> u64 {
        let metrics = self.shim.get("/metrics").expect("metrics").body;
        let name = format!("tollgate_scripts_total{{kind=\"{kind}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0, |count| count.parse().expect("a whole number"))
    }

    fn health(&self) -> String {
        self.shim.get("/healthz").expect("an answer").body
    }

    /// The slot of a counter, as the Cluster computes it.
    fn slot(&self, name: &CounterName) -> u16 {
        let slot = self.cluster.ask(0, &["CLUSTER", "KEYSLOT", name.as_str()]);
        u16::from_redis_value(slot).expect("a slot")
    }

    /// Which of the three has it from the start.
    fn node(&self, name: &CounterName) -> usize {
        self.cluster.node_of(name.as_str())
    }

    /// A counter on each of the three.
    fn on_each(&self, bucket: &str) -> Vec<CounterName> {
        let mut found = HashMap::new();
        for number in 0.. {
            let name = counter(&format!("someone{number}"), bucket);
            found.entry(self.node(&name)).or_insert(name);
            if found.len() == 3 {
                break;
            }
        }
        (0..3).map(|node| found[&node].clone()).collect()
    }
}

#[test]
fn one_call_is_decided_by_all_three_in_order() {
    let (stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let requests =
        (0..60).map(|at| request([charge(names[at % 3].clone(), sliding(10, MINUTE_MS))]));
    let reply = api.decide(requests.collect());
    assert_eq!(stack.scripts("decide"), 3, "one for each slot");
    for node in 0..3 {
        let left: Vec<_> = reply.decisions.iter().skip(node).step_by(3).map(only).collect();
        let admitted = left.iter().filter(|outcome| outcome.admitted).count();
        assert_eq!(admitted, 10);
        let remaining: Vec<_> = left.iter().map(|outcome| outcome.remaining).collect();
        assert_eq!(remaining[..11], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
    }
    let metrics = stack.shim.get("/metrics").expect("metrics").body;
    assert_eq!(metrics.matches("tollgate_ledger_up{").count(), 3, "{metrics}");
}

#[test]
fn a_request_over_three_slots_is_all_or_nothing() {
    let (stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let quotas = [sliding(5, MINUTE_MS), fixed(100, Period::Month), tokens(1, MINUTE_MS, 50)];
    for narrow in 0..3 {
        // Another bucket each time, so that each of the nodes is once the one that denies.
        let charges: Vec<Charge> = (0..3)
            .map(|node| {
                let quota = quotas[(node + 3 - narrow) % 3];
                let who = names[node].slot_tag();
                let name = format!("tg:{{{who}}}:round{narrow}");
                Charge { cost: Cost::clamped(2), ..charge(name.try_into().expect("a name"), quota) }
            })
            .collect();
        let both = || request(charges.clone());
        let reply = api.decide(vec![both(), both(), both(), both()]);
        let admitted: Vec<_> = reply.decisions.iter().map(|decision| decision.admitted).collect();
        assert_eq!(admitted, [true, true, false, false], "{narrow}");
        let denied = &reply.decisions[3];
        let fitted: Vec<_> = denied.charges.iter().map(|outcome| outcome.admitted).collect();
        let expected: Vec<_> = (0..3).map(|node| node != narrow).collect();
        assert_eq!(fitted, expected, "{narrow}");
        assert_eq!(denied.retry_after_ms, denied.charges[narrow].retry_after_ms);
        assert!(denied.retry_after_ms > 0);
        // What was charged on the way was given back: 2 × 2 were taken, and no more.
        for (node, charge) in charges.iter().enumerate() {
            let limit = charge.quota.limit();
            let one = Charge { cost: Cost::clamped(1), ..charge.clone() };
            let left = only_charge(&api.decide_one(request([one]))).remaining;
            // What flows into a bucket meanwhile is not given back as well, and a part of a token
            // is none.
            let parts = u64::from(matches!(charge.quota, Quota::TokenBucket(_)));
            assert!((limit - 5 - parts..=limit - 5).contains(&left), "{narrow} {node}: {left}");
        }
    }
}

#[test]
fn requests_over_several_slots_take_as_many_round_trips_as_the_slots_of_one() {
    let (stack, mut api) = Stack::start();
    let charges = stack.on_each("b").into_iter().map(|name| charge(name, sliding(5, MINUTE_MS)));
    let charges: Vec<_> = charges.collect();
    // Twenty side by side: a script for each of the three slots, whoever else goes there.
    let reply = api.decide((0..20).map(|_| request(charges.clone())).collect());
    let admitted = reply.decisions.iter().filter(|decision| decision.admitted).count();
    assert_eq!(admitted, 5);
    // Denied by the first slot, they never came to the others, which were only looked at.
    let sent = ["decide", "settle", "peek"].map(|kind| stack.scripts(kind));
    assert_eq!(sent, [3, 0, 2]);
}

/// One request for the first server and one for the last, whose proxy lets the script meet its
/// `fate`: how often that was sent. The first is decided all the same.
fn meet(api: &mut Api, proxy: &Proxy, charges: [&Charge; 2], fate: Fate) -> usize {
    let both = || charges.map(|charge| request([charge.clone()])).to_vec();
    let before = proxy.scripts();
    proxy.next_script(fate);
    let reply = api.decide(both());
    assert!(reply.decisions[0].admitted, "{fate:?}");
    assert_eq!(reply.decisions[1].error, Some(DecisionError::Unavailable), "{fate:?}");
    let sent = proxy.scripts() - before;
    wait_for("the shim to recover", || {
        let reply = api.try_decide(vec![request([charges[1].clone()])]).ok()?;
        reply.decisions[0].admitted.then_some(())
    });
    sent
}

#[test]
fn a_cut_connection_to_one_server_never_charges_twice() {
    let cluster = Cluster::start();
    let proxy = cluster.put_proxy_before(2);
    let (stack, mut api) = Stack::before(cluster, &SILENCE);
    let [here, _, there] = &stack.on_each("b")[..] else { unreachable!("three of them") };
    let [here, there] = [here, there].map(|name| charge(name.clone(), sliding(1_000, MINUTE_MS)));
    // The connection is in use before it is cut.
    assert!(api.decide_one(request([there.clone()])).admitted);
    let mut left = 999;
    for (fate, ran) in [
        (Fate::CutBefore, Some(0)),
        (Fate::CutReply, Some(1)),
        (Fate::Swallow, Some(1)),
        (Fate::CutAfter, None),
    ] {
        assert_eq!(meet(&mut api, &proxy, [&here, &there], fate), 1, "{fate:?}");
        // One was charged when the shim had recovered.
        let now = api.peek(there.counter.clone(), there.quota).charge.remaining;
        let charged = left - 1 - now;
        assert!(ran.map_or(charged <= 1, |ran| charged == ran), "{fate:?}: {charged}");
        left = now;
    }
    let here = api.peek(here.counter, here.quota).charge.remaining;
    assert_eq!(here, 1_000 - 4, "nor was anything sent again where all was well");
}

#[test]
fn a_request_over_slots_of_which_one_is_cut_off_gives_back_the_others() {
    let cluster = Cluster::start();
    let proxy = cluster.put_proxy_before(2);
    let (stack, mut api) = Stack::before(cluster, &SILENCE);
    let names = stack.on_each("b");
    let charges = [0, 2].map(|node| charge(names[node].clone(), sliding(1_000, MINUTE_MS)));
    assert!(api.decide_one(request(charges.clone())).admitted);
    for fate in [Fate::CutBefore, Fate::CutReply, Fate::CutAfter] {
        let before = proxy.scripts();
        proxy.next_script(fate);
        let reply = api.decide_one(request(charges.clone()));
        assert_eq!(reply.error, Some(DecisionError::Unavailable), "{fate:?}");
        assert_eq!(proxy.scripts() - before, 1, "{fate:?}");
        let quota = charges[0].quota;
        wait_for("the first slot's charge to be back", || {
            let left = api.peek(names[0].clone(), quota).charge.remaining;
            (left == 999).then_some(())
        });
        wait_for("the shim to recover", || {
            let one = request([charges[1].clone()]);
            api.try_decide(vec![one]).ok()?.decisions[0].admitted.then_some(())
        });
    }
}

#[test]
fn settles_go_to_each_identitys_server_and_are_applied_once() {
    let (stack, mut api) = Stack::start();
    let charges: Vec<_> =
        stack.on_each("b").into_iter().map(|name| charge(name, sliding(10, MINUTE_MS))).collect();
    let decision = api.decide_one(request(charges.clone()));
    assert!(decision.admitted);
    let mut whole = settle("s-1", &decision.id, &charges[0], give_back(1));
    let others = charges[1..].iter().map(|one| settle("s-1", &decision.id, one, give_back(1)));
    whole.charges.extend(others.flat_map(|settle| settle.charges));
    for applied in [true, false, false] {
        let settled = api.settle(vec![whole.clone()]).settled.remove(0);
        assert_eq!((settled.applied, &settled.remaining[..]), (applied, &[10, 10, 10][..]));
    }
}

#[test]
fn operators_reach_every_slot() {
    let (stack, mut api) = Stack::start();
    let admin = tests::client::Client::of(stack.shim.admin_addr().expect("an admin port"));
    for name in stack.on_each("b") {
        let one = || request([charge(name.clone(), sliding(1, MINUTE_MS))]);
        assert!(api.decide_one(one()).admitted);
        assert!(!api.decide_one(one()).admitted);
        let body = serde_json::json!({ "counter": name });
        let reset = admin.post("/v1/counters/reset", &body, Some(TOKEN));
        assert_eq!(reset.json()["changed"], true, "{}", reset.as_text());
        assert!(api.decide_one(one()).admitted);
        let body = serde_json::json!({ "counter": name, "override": "unlimited" });
        let set = admin.post("/v1/overrides/set", &body, Some(TOKEN));
        assert_eq!(set.status, 200, "{}", set.as_text());
        wait_for("the override to hold", || api.decide_one(one()).admitted.then_some(()));
    }
}

#[test]
fn a_slot_on_the_move_loses_and_repeats_nothing() {
    let (stack, mut api) = Stack::start();
    let name = stack.on_each("b").remove(0);
    let one = || request([charge(name.clone(), sliding(1_000, MINUTE_MS))]);
    let mut charged = 0;
    let mut charge_some = |api: &mut Api| {
        for _ in 0..20 {
            charged += 1;
            assert_eq!(only_charge(&api.decide_one(one())).remaining, 1_000 - charged);
        }
    };
    charge_some(&mut api);
    // The slot begins to move: keys not yet there are asked for at the new server.
    let slot = stack.slot(&name).to_string();
    let (old, new) = (stack.cluster.id(0), stack.cluster.id(1));
    stack.cluster.ask(1, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old]);
    stack.cluster.ask(0, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new]);
    charge_some(&mut api);
    // What operators do finds the slot's keys on either side.
    let admin = tests::client::Client::of(stack.shim.admin_addr().expect("an admin port"));
    let same_slot = |bucket: &str| -> CounterName {
        format!("tg:{{{}}}:{bucket}", name.slot_tag()).try_into().expect("a name")
    };
    let reset = |api: &mut Api, bucket: &str| {
        let other = charge(same_slot(bucket), sliding(1, MINUTE_MS));
        assert!(api.decide_one(request([other.clone()])).admitted);
        let body = serde_json::json!({ "counter": other.counter });
        let reset = admin.post("/v1/counters/reset", &body, Some(TOKEN));
        assert_eq!(
            (reset.status, &reset.json()["changed"]),
            (200, &true.into()),
            "{}",
            reset.as_text()
        );
        assert!(api.decide_one(request([other])).admitted);
    };
    reset(&mut api, "while-moving");
    // Its keys have moved, the slot has not: `ASK`.
    let port = stack.cluster.nodes[1].port().to_string();
    let moved = stack.cluster.ask(0, &["MIGRATE", "127.0.0.1", &port, name.as_str(), "0", "5000"]);
    assert_eq!(moved, Value::Okay);
    charge_some(&mut api);
    reset(&mut api, "asked-for");
    // The slot has moved: `MOVED`, until the shim has fetched the map.
    for node in [1, 0, 2] {
        stack.cluster.ask(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
    }
    let body = serde_json::json!({ "counter": same_slot("while-moving") });
    let reset_moved = admin.post("/v1/counters/reset", &body, Some(TOKEN));
    assert_eq!(reset_moved.status, 200, "{}", reset_moved.as_text());
    charge_some(&mut api);
}

#[test]
fn without_one_server_the_others_go_on() {
    let (mut stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let one = |node: usize| request([charge(names[node].clone(), sliding(1_000, MINUTE_MS))]);
    api.decide((0..3).map(one).collect());
    stack.cluster.nodes[2].kill();
    let reply = wait_for("the shim to notice", || {
        let reply = api.try_decide((0..3).map(one).collect()).ok()?;
        reply.decisions[2].error.is_some().then_some(reply)
    });
    assert!(reply.decisions[0].admitted && reply.decisions[1].admitted);
    assert_eq!(reply.decisions[2].error, Some(DecisionError::Unavailable));
    assert!(!reply.decisions[2].admitted && reply.decisions[2].charges.is_empty());
    // A request that needs the dead one takes nothing from the living.
    let left = |api: &mut Api| only_charge(&api.decide_one(one(0))).remaining;
    let before = left(&mut api);
    let spanning = [0, 2].map(|node| charge(names[node].clone(), sliding(1_000, MINUTE_MS)));
    let reply = api.decide(vec![request(spanning), one(1)]);
    assert_eq!(reply.decisions[0].error, Some(DecisionError::Unavailable));
    assert!(reply.decisions[1].admitted);
    assert_eq!(left(&mut api), before - 1);
    // A call that is all about the dead one has not failed either: whoever makes it is to go on
    // asking for the others.
    let reply = api.decide(vec![one(2), one(2)]);
    let errors: Vec<_> = reply.decisions.iter().map(|decision| decision.error).collect();
    assert_eq!(errors, [Some(DecisionError::Unavailable); 2]);
    assert!(reply.now_ms > 0);
    wait_for("the health to tell", || {
        stack.health().contains(r#""status":"degraded""#).then_some(())
    });
    // Without any of them it has.
    stack.cluster.nodes[0].kill();
    stack.cluster.nodes[1].kill();
    wait_for("the shim to notice", || {
        let status = api.try_decide(vec![one(2)]).err()?.status;
        (status == 503).then_some(())
    });
    for node in [0, 1] {
        stack.cluster.nodes[node].restart().expect("the server starts again");
    }
    wait_for("the shim to find them again", || {
        let reply = api.try_decide(vec![one(0), one(1)]).ok()?;
        (reply.decisions[0].admitted && reply.decisions[1].admitted).then_some(())
    });
    stack.cluster.nodes[2].restart().expect("the server starts again");
    wait_for("the shim to find it again", || {
        let reply = api.try_decide(vec![one(2)]).ok()?;
        reply.decisions[0].admitted.then_some(())
    });
}

#[test]
fn a_caller_that_gives_up_on_a_hung_server_leaves_no_charge_on_the_others() {
    let (stack, mut api) = Stack::before(Cluster::start(), &SILENCE);
    let names = stack.on_each("b");
    let quota = || sliding(1_000, MINUTE_MS);
    let spanning = [0, 2].map(|node| charge(names[node].clone(), quota()));
    assert!(api.decide_one(request(spanning.clone())).admitted);
    stack.cluster.nodes[2].pause();
    // The lower slot charges at once, and the caller goes before the other has failed.
    let body = limits::wire::DecideBody { requests: vec![request(spanning)] };
    let body = serde_json::to_vec(&body).expect("JSON");
    for _ in 0..3 {
        let patience = [("x-envoy-expected-rq-timeout-ms", "50")];
        let reply = api.post("/v1/decide", &patience, body.clone());
        assert_eq!(reply.status, 503, "{}", reply.as_text());
    }
    wait_for("what it was charged to be given back", || {
        let left = api.peek(names[0].clone(), quota()).charge.remaining;
        (left == 999).then_some(())
    });
    stack.cluster.nodes[2].resume();
}

#[test]
fn a_server_that_cannot_write_is_not_healthy_and_the_others_are() {
    let (stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let one = |node: usize| request([charge(names[node].clone(), sliding(1_000, MINUTE_MS))]);
    stack.cluster.ask(1, &["CONFIG", "SET", "maxmemory", "1"]);
    wait_for("one of three to be unhealthy", || {
        let health = stack.health();
        (health.contains(r#""up":2"#) && health.contains(r#""of":3"#)).then_some(())
    });
    let reply = api.decide((0..3).map(one).collect());
    let errors: Vec<_> = reply.decisions.iter().map(|decision| decision.error).collect();
    assert_eq!(errors, [None, Some(DecisionError::Unavailable), None]);
    stack.cluster.ask(1, &["CONFIG", "SET", "maxmemory", "0"]);
    wait_for("all three to be healthy", || {
        stack.health().contains(r#""status":"ok""#).then_some(())
    });
    assert!(api.decide_one(one(1)).admitted);
}

#[test]
fn a_shim_starts_before_its_cluster_and_by_one_seed_that_lives() {
    let dir = TempDir::new().expect("a folder");
    let cluster = Cluster::start();
    let url = format!("redis+cluster://127.0.0.1:1,{}", cluster.nodes[2].addr());
    let mut shim = start_shim(dir.path(), &url, &[]);
    shim.wait_ready().expect("the second seed is enough");
    let mut api = Api::connect(shim.addr());
    for who in 0..30 {
        let one = charge(counter(&who.to_string(), "b"), sliding(1, MINUTE_MS));
        wait_for("each server to be connected", || {
            api.try_decide(vec![request([one.clone()])]).ok()
        });
    }
}

#[test]
fn a_plain_url_to_a_cluster_says_what_is_wrong() {
    let dir = TempDir::new().expect("a folder");
    let cluster = Cluster::start();
    let shim = start_shim(dir.path(), &format!("redis://{}", cluster.nodes[0].addr()), &[]);
    wait_for("the shim to say so", || {
        // Two thirds of all counters are elsewhere; and so may be the overrides.
        let mut api =
            std::net::TcpStream::connect(shim.addr()).ok().map(|_| Api::connect(shim.addr()))?;
        let one =
            |who: u8| request([charge(counter(&who.to_string(), "b"), sliding(1, MINUTE_MS))]);
        let _ = api.try_decide((0..30).map(one).collect());
        let log = std::fs::read_to_string(shim.log()).expect("a log");
        log.contains("for a Cluster use redis+cluster://").then_some(())
    });
}
