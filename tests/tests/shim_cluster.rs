//! `tollgate serve` with a Redis Cluster of three real processes.

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
/// A response timeout short enough to wait for, and long enough for healthy servers on a busy
/// machine.
const SHORT_TIMEOUT: [(&str, &str); 1] = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "2000")];

struct Stack {
    shim: Server,
    cluster: Cluster,
    _dir: TempDir,
}

impl Stack {
    fn start() -> (Self, Api) {
        Self::start_with(Cluster::start(), &[])
    }

    fn start_with(cluster: Cluster, env: &[(&str, &str)]) -> (Self, Api) {
        let dir = TempDir::new().expect("a directory");
        let mut shim = start_shim(dir.path(), &cluster.url(), env);
        shim.wait_ready().expect("the shim becomes ready");
        let stack = Self { shim, cluster, _dir: dir };
        // A shim is ready once it reaches any node, but the tests need all three.
        wait_for("all three to be connected", || {
            stack.health().contains(r#""status":"ok""#).then_some(())
        });
        let api = Api::connect(stack.shim.addr());
        (stack, api)
    }

    /// Returns the number of scripts of a kind that the shim has sent.
    fn scripts(&self, kind: &str) -> u64 {
        let metrics = self.shim.get("/metrics").expect("metrics").body;
        let name = format!("tollgate_scripts_total{{kind=\"{kind}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0, |count| count.parse().expect("a whole number"))
    }

    fn health(&self) -> String {
        self.shim.get("/healthz").expect("an answer").body
    }

    /// Returns a counter's slot, computed by the Cluster.
    fn slot(&self, name: &CounterName) -> u16 {
        let slot = self.cluster.ask(0, &["CLUSTER", "KEYSLOT", name.as_str()]);
        u16::from_redis_value(slot).expect("a slot")
    }

    /// Returns the node that initially has a counter.
    fn node(&self, name: &CounterName) -> usize {
        self.cluster.node_of(name.as_str())
    }

    /// Returns one counter for each of the three nodes.
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
fn one_call_is_decided_by_all_three_nodes_in_order() {
    let (stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let requests =
        (0..60).map(|at| request([charge(names[at % 3].clone(), sliding(10, MINUTE_MS))]));
    let reply = api.decide(requests.collect());
    assert_eq!(stack.scripts("decide"), 3, "one script per slot");
    for node in 0..3 {
        let left: Vec<_> = reply.decisions.iter().skip(node).step_by(3).map(only_charge).collect();
        let admitted = left.iter().filter(|outcome| outcome.admitted).count();
        assert_eq!(admitted, 10);
        let remaining: Vec<_> = left.iter().map(|outcome| outcome.remaining).collect();
        assert_eq!(remaining[..11], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
    }
    let metrics = stack.shim.get("/metrics").expect("metrics").body;
    assert_eq!(metrics.matches("tollgate_ledger_up{").count(), 3, "{metrics}");
}

#[test]
fn a_request_across_three_slots_is_all_or_nothing() {
    let (stack, mut api) = Stack::start();
    let names = stack.on_each("b");
    let quotas = [sliding(5, MINUTE_MS), fixed(100, Period::Month), tokens(1, MINUTE_MS, 50)];
    for narrow in 0..3 {
        // Each round uses new buckets and lets another node deny.
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
        // Charges of denied requests were refunded: only 2 × 2 were taken.
        for (node, charge) in charges.iter().enumerate() {
            let limit = charge.quota.limit();
            let one = Charge { cost: Cost::clamped(1), ..charge.clone() };
            let left = only_charge(&api.decide_one(request([one]))).remaining;
            // A token bucket may show one less: refunds exclude refilled tokens, and remaining
            // tokens are rounded down.
            let parts = u64::from(matches!(charge.quota, Quota::TokenBucket(_)));
            assert!((limit - 5 - parts..=limit - 5).contains(&left), "{narrow} {node}: {left}");
        }
    }
}

#[test]
fn requests_across_several_slots_share_round_trips() {
    let (stack, mut api) = Stack::start();
    let charges = stack.on_each("b").into_iter().map(|name| charge(name, sliding(5, MINUTE_MS)));
    let charges: Vec<_> = charges.collect();
    // Twenty requests in parallel need one script for each of the three slots.
    let reply = api.decide((0..20).map(|_| request(charges.clone())).collect());
    let admitted = reply.decisions.iter().filter(|decision| decision.admitted).count();
    assert_eq!(admitted, 5);
    // Requests denied by the first slot were only peeked at in the others.
    let sent = ["decide", "settle", "peek"].map(|kind| stack.scripts(kind));
    assert_eq!(sent, [3, 0, 2]);
}

/// Sends one request to the first node and one to the last, whose proxy applies `fate`. Asserts
/// that the first is decided anyway. Returns the number of scripts sent to the last.
fn call_with_fate(api: &mut Api, proxy: &Proxy, charges: [&Charge; 2], fate: Fate) -> usize {
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
    let proxy = cluster.start_proxy_for(2);
    let (stack, mut api) = Stack::start_with(cluster, &SHORT_TIMEOUT);
    let [here, _, there] = &stack.on_each("b")[..] else { unreachable!("there are three") };
    let [here, there] = [here, there].map(|name| charge(name.clone(), sliding(1_000, MINUTE_MS)));
    // Use the connection before it is cut.
    assert!(api.decide_one(request([there.clone()])).admitted);
    let mut left = 999;
    for (fate, ran) in [
        (Fate::CutBefore, Some(0)),
        (Fate::CutReply, Some(1)),
        (Fate::Swallow, Some(1)),
        (Fate::CutAfter, None),
    ] {
        assert_eq!(call_with_fate(&mut api, &proxy, [&here, &there], fate), 1, "{fate:?}");
        // One more was charged after the shim recovered.
        let now = api.peek(there.counter.clone(), there.quota).charge.remaining;
        let charged = left - 1 - now;
        assert!(ran.map_or(charged <= 1, |ran| charged == ran), "{fate:?}: {charged}");
        left = now;
    }
    let here = api.peek(here.counter, here.quota).charge.remaining;
    assert_eq!(here, 1_000 - 4, "nothing was resent to the healthy node");
}

#[test]
fn a_request_with_one_slot_cut_off_refunds_the_others() {
    let cluster = Cluster::start();
    let proxy = cluster.start_proxy_for(2);
    let (stack, mut api) = Stack::start_with(cluster, &SHORT_TIMEOUT);
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
fn settles_reach_each_identitys_node_and_are_applied_once() {
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
        wait_for("the override to apply", || api.decide_one(one()).admitted.then_some(()));
    }
}

#[test]
fn a_moving_slot_loses_and_repeats_nothing() {
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
    // The slot starts to move: missing keys are requested from the new node.
    let slot = stack.slot(&name).to_string();
    let (old, new) = (stack.cluster.id(0), stack.cluster.id(1));
    stack.cluster.ask(1, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old]);
    stack.cluster.ask(0, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new]);
    charge_some(&mut api);
    // Operator commands find the slot's keys on either node.
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
    // The keys have moved but the slot has not: `ASK`.
    let port = stack.cluster.nodes[1].port().to_string();
    let moved = stack.cluster.ask(0, &["MIGRATE", "127.0.0.1", &port, name.as_str(), "0", "5000"]);
    assert_eq!(moved, Value::Okay);
    charge_some(&mut api);
    reset(&mut api, "asked-for");
    // The slot has moved: `MOVED`, until the shim fetches the new map.
    for node in [1, 0, 2] {
        stack.cluster.ask(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
    }
    let body = serde_json::json!({ "counter": same_slot("while-moving") });
    let reset_moved = admin.post("/v1/counters/reset", &body, Some(TOKEN));
    assert_eq!(reset_moved.status, 200, "{}", reset_moved.as_text());
    charge_some(&mut api);
}

#[test]
fn without_one_node_the_others_keep_serving() {
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
    // A request that needs the dead node charges nothing on the others.
    let left = |api: &mut Api| only_charge(&api.decide_one(one(0))).remaining;
    let before = left(&mut api);
    let spanning = [0, 2].map(|node| charge(names[node].clone(), sliding(1_000, MINUTE_MS)));
    let reply = api.decide(vec![request(spanning), one(1)]);
    assert_eq!(reply.decisions[0].error, Some(DecisionError::Unavailable));
    assert!(reply.decisions[1].admitted);
    assert_eq!(left(&mut api), before - 1);
    // A call for the dead node alone still succeeds, so callers keep using the shim for the
    // other nodes.
    let reply = api.decide(vec![one(2), one(2)]);
    let errors: Vec<_> = reply.decisions.iter().map(|decision| decision.error).collect();
    assert_eq!(errors, [Some(DecisionError::Unavailable); 2]);
    assert!(reply.now_ms > 0);
    wait_for("health to report it", || {
        stack.health().contains(r#""status":"degraded""#).then_some(())
    });
    // Without any node, calls fail.
    stack.cluster.nodes[0].kill();
    stack.cluster.nodes[1].kill();
    wait_for("the shim to notice", || {
        let status = api.try_decide(vec![one(2)]).err()?.status;
        (status == 503).then_some(())
    });
    for node in [0, 1] {
        stack.cluster.nodes[node].restart().expect("the node restarts");
    }
    wait_for("the shim to find them again", || {
        let reply = api.try_decide(vec![one(0), one(1)]).ok()?;
        (reply.decisions[0].admitted && reply.decisions[1].admitted).then_some(())
    });
    stack.cluster.nodes[2].restart().expect("the node restarts");
    wait_for("the shim to find it again", || {
        let reply = api.try_decide(vec![one(2)]).ok()?;
        reply.decisions[0].admitted.then_some(())
    });
}

#[test]
fn a_call_abandoned_because_of_a_hung_node_leaves_no_charge_on_the_others() {
    let (stack, mut api) = Stack::start_with(Cluster::start(), &SHORT_TIMEOUT);
    let names = stack.on_each("b");
    let quota = || sliding(1_000, MINUTE_MS);
    let spanning = [0, 2].map(|node| charge(names[node].clone(), quota()));
    assert!(api.decide_one(request(spanning.clone())).admitted);
    stack.cluster.nodes[2].pause();
    // The first slot charges at once, and the caller times out before the other has failed.
    let body = limits::wire::DecideBody { requests: vec![request(spanning)] };
    let body = serde_json::to_vec(&body).expect("JSON");
    for _ in 0..3 {
        let timeout = [("x-envoy-expected-rq-timeout-ms", "50")];
        let reply = api.post("/v1/decide", &timeout, body.clone());
        assert_eq!(reply.status, 503, "{}", reply.as_text());
    }
    wait_for("the charge to be refunded", || {
        let left = api.peek(names[0].clone(), quota()).charge.remaining;
        (left == 999).then_some(())
    });
    stack.cluster.nodes[2].resume();
}

#[test]
fn a_node_that_cannot_write_is_unhealthy_and_the_others_keep_serving() {
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
fn one_working_seed_is_enough_to_start() {
    let dir = TempDir::new().expect("a directory");
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
fn a_plain_url_to_a_cluster_logs_the_right_url() {
    let dir = TempDir::new().expect("a directory");
    let cluster = Cluster::start();
    let shim = start_shim(dir.path(), &format!("redis://{}", cluster.nodes[0].addr()), &[]);
    wait_for("the shim to log it", || {
        // Two thirds of the counters are on other nodes, and the overrides may be too.
        let mut api =
            std::net::TcpStream::connect(shim.addr()).ok().map(|_| Api::connect(shim.addr()))?;
        let one =
            |who: u8| request([charge(counter(&who.to_string(), "b"), sliding(1, MINUTE_MS))]);
        let _ = api.try_decide((0..30).map(one).collect());
        let log = std::fs::read_to_string(shim.log()).expect("a log");
        log.contains("for a Cluster use redis+cluster://").then_some(())
    });
}
