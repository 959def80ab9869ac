//! Settles apply exactly once, regardless of order and repetition.

use limits::quota::{Period, WindowMs};
use limits::wire::{Charge, Cost, Decision, LeaseAsk, LeaseWish, Settle, SettleBody, SettleCharge};
use std::thread;
use std::time::Duration;
use tests::shim::{
    Api, Shims, Store, charge, charge_more, counter, fixed, give_back, only_charge, request,
    settle, sliding, tokens, wait_for,
};

const MINUTE_MS: u64 = 60_000;

fn on_each(test: impl Fn(&mut Api)) {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        test(&mut shims.api(0));
    }
}

fn must_charge(api: &mut Api, charge: &Charge) -> Decision {
    let decision = api.decide_one(request([charge.clone()]));
    assert!(decision.admitted, "{decision:?}");
    decision
}

#[test]
fn a_settle_delivered_three_times_is_applied_once() {
    on_each(|api| {
        for (at, quota) in
            [sliding(10, MINUTE_MS), fixed(10, Period::Month), tokens(1, MINUTE_MS, 10)]
                .into_iter()
                .enumerate()
        {
            let five =
                Charge { cost: Cost::clamped(5), ..charge(counter(&at.to_string(), "b"), quota) };
            let decision = must_charge(api, &five);
            let once = || settle("s-1", &decision.id, &five, give_back(2));
            let first = api.settle(vec![once(), once()]).settled;
            assert_eq!((first[0].applied, &first[0].remaining[..]), (true, &[7][..]), "{five:?}");
            assert_eq!((first[1].applied, &first[1].remaining[..]), (false, &[7][..]), "{five:?}");
            let again = api.settle(vec![once()]).settled;
            assert_eq!((again[0].applied, &again[0].remaining[..]), (false, &[7][..]), "{five:?}");
        }
    });
}

#[test]
fn settles_can_arrive_in_any_order() {
    on_each(|api| {
        let one = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        let first = must_charge(api, &one);
        let second = must_charge(api, &one);
        let settled = api.settle(vec![
            settle("late", &second.id, &one, give_back(1)),
            settle("early", &first.id, &one, charge_more(3)),
        ]);
        assert_eq!(settled.settled[0].remaining, [9]);
        assert_eq!(settled.settled[1].remaining, [6]);
    });
}

#[test]
fn a_settled_extra_charge_may_exceed_the_limit_and_counts() {
    on_each(|api| {
        let one = charge(counter("a", "b"), sliding(5, MINUTE_MS));
        let decision = must_charge(api, &one);
        let settled = api.settle(vec![settle("s", &decision.id, &one, charge_more(10))]);
        assert_eq!(settled.settled[0].remaining, [0]);
        assert!(!api.decide_one(request([one])).admitted);
    });
}

#[test]
fn a_settle_after_the_window_is_not_applied() {
    on_each(|api| {
        let brief = charge(counter("a", "b"), sliding(5, 50));
        let decision = must_charge(api, &brief);
        wait_for("the window to pass", || {
            (only_charge(
                &api.decide_one(request([Charge { cost: Cost::clamped(5), ..brief.clone() }])),
            )
            .admitted)
                .then_some(())
        });
        let settled = api.settle(vec![settle("s", &decision.id, &brief, give_back(1))]);
        assert!(!settled.settled[0].applied);
    });
}

#[test]
fn a_settle_of_several_identities_applies_to_each() {
    on_each(|api| {
        let charges = ["a", "b", "c"].map(|who| charge(counter(who, "b"), sliding(10, MINUTE_MS)));
        let decision = api.decide_one(request(charges.clone()));
        let parts = charges.iter().map(|charge| SettleCharge {
            counter: charge.counter.clone(),
            quota: charge.quota,
            amount: give_back(1),
            charged: Cost::clamped(1),
            lease_ms: None,
        });
        let whole = Settle { id: "s".to_owned(), decision: decision.id, charges: parts.collect() };
        let settled = api.settle(vec![whole.clone()]).settled;
        assert_eq!((settled[0].applied, &settled[0].remaining[..]), (true, &[10, 10, 10][..]));
        assert!(!api.settle(vec![whole]).settled[0].applied);
    });
}

/// Sends settles that must be rejected. Returns the pointers of the errors.
fn must_be_rejected(api: &mut Api, settles: Vec<Settle>) -> Vec<String> {
    let body = serde_json::to_vec(&SettleBody { settles }).expect("JSON");
    let reply = api.post("/v1/settle", &[], body);
    assert_eq!(reply.status, 400, "{}", reply.as_text());
    let json = reply.json();
    let errors = json["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

fn left(api: &mut Api, charge: &Charge) -> u64 {
    api.peek(charge.counter.clone(), charge.quota).charge.remaining
}

#[test]
fn only_actual_charges_can_be_refunded() {
    on_each(|api| {
        let victim = charge(counter("victim", "b"), sliding(10, MINUTE_MS));
        for _ in 0..5 {
            must_charge(api, &victim);
        }
        let own = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        let decision = must_charge(api, &own);
        let (name, seal) = decision.id.split_once('.').expect("a sealed id");
        let later = "1";
        let flipped: String = seal.chars().rev().collect();
        let ids = [
            name.to_owned(),
            format!("{name}.{flipped}"),
            format!("{name}.{}", "A".repeat(11)),
            format!("{later}{name}.{seal}"),
            "1790000000000-made-up".to_owned(),
        ];
        for id in &ids {
            let found = must_be_rejected(api, vec![settle("s", id, &own, give_back(1))]);
            assert_eq!(found, ["/settles/0/charges/0"], "{id}");
        }
        // The id is genuine, but its decision did not make these charges.
        let other_quota = charge(own.counter.clone(), sliding(10, 60 * MINUTE_MS));
        let of = |charge: &Charge| settle("s", &decision.id, charge, give_back(1));
        let two = Charge { cost: Cost::clamped(2), ..own.clone() };
        for wrong in [of(&victim), of(&other_quota), of(&two)] {
            assert_eq!(must_be_rejected(api, vec![of(&own), wrong]), ["/settles/1/charges/0"]);
        }
        let more_than_charged = settle("s", &decision.id, &own, give_back(2));
        assert_eq!(
            must_be_rejected(api, vec![more_than_charged]),
            ["/settles/0/charges/0/amount/give_back"]
        );
        let charge_of_another_counter = settle("s", &decision.id, &victim, charge_more(1));
        assert_eq!(
            must_be_rejected(api, vec![charge_of_another_counter]),
            ["/settles/0/charges/0"]
        );
        assert_eq!((left(api, &victim), left(api, &own)), (5, 9), "nothing was refunded");
        assert!(api.settle(vec![of(&own)]).settled[0].applied);
    });
}

#[test]
fn a_charge_is_refunded_once_whatever_the_settles_id() {
    on_each(|api| {
        let three =
            Charge { cost: Cost::clamped(3), ..charge(counter("a", "b"), sliding(10, MINUTE_MS)) };
        must_charge(api, &three);
        let decision = must_charge(api, &three);
        for (id, applied, remaining) in [("s-1", true, 6), ("s-2", false, 6), ("s-3", false, 6)] {
            let settled = api.settle(vec![settle(id, &decision.id, &three, give_back(2))]).settled;
            assert_eq!((settled[0].applied, settled[0].remaining[0]), (applied, remaining), "{id}");
        }
    });
}

#[test]
fn a_lease_is_refunded_in_parts_up_to_the_grant() {
    on_each(|api| {
        let ask = LeaseAsk { wish: LeaseWish::clamped(10), lease_ms: WindowMs::clamped(400) };
        let one = charge(counter("a", "b"), sliding(100, MINUTE_MS));
        let leased = api.decide_one(request([Charge { lease: Some(ask), ..one.clone() }]));
        let grant = only_charge(&leased).lease.expect("a lease");
        assert_eq!((grant.granted, left(api, &one)), (10, 89));
        let part = |id: &str, total: u64, charged: u64| {
            let mut settle = settle(id, &leased.id, &one, give_back(total));
            settle.charges[0].lease_ms = Some(WindowMs::clamped(grant.lease_ms));
            settle.charges[0].charged = Cost::clamped(charged);
            settle
        };
        for (id, total, applied, remaining) in [
            ("p-1", 4, true, 93),
            ("p-1", 4, false, 93),
            ("p-2", 3, false, 93),
            ("p-3", 9, true, 98),
            ("p-4", 10, true, 99),
            ("p-5", 10, false, 99),
        ] {
            let settled = api.settle(vec![part(id, total, 10)]).settled;
            assert_eq!((settled[0].applied, settled[0].remaining[0]), (applied, remaining), "{id}");
        }
        assert_eq!(must_be_rejected(api, vec![part("p-6", 11, 11)]), ["/settles/0/charges/0"]);
        // The decision's own charge is refunded separately.
        let settled = api.settle(vec![settle("own", &leased.id, &one, give_back(1))]).settled;
        assert_eq!(settled[0].remaining, [100]);
    });
}

#[test]
fn shims_accept_each_others_decisions_and_log_rejected_settles() {
    for store in [Store::Redis, Store::Cluster] {
        let shims = Shims::start(store, 2);
        let (mut first, mut second) = (shims.api(0), shims.api(1));
        let one = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        let decision = must_charge(&mut first, &one);
        let forged = settle("s", "1790000000000-made-up", &one, give_back(1));
        must_be_rejected(&mut second, vec![forged]);
        let settled = second.settle(vec![settle("s", &decision.id, &one, give_back(1))]).settled;
        assert_eq!((settled[0].applied, &settled[0].remaining[..]), (true, &[10][..]));
        let metrics = shims.shims[1].get("/metrics").expect("metrics").body;
        assert!(metrics.contains(r#"tollgate_settles_total{outcome="refused"} 1"#), "{metrics}");
        let log = std::fs::read_to_string(shims.shims[1].log()).expect("a log");
        assert!(log.contains("refused settles of charges that no decision made"), "{log}");
    }
}

#[test]
fn after_flushall_shims_share_a_new_key_and_reject_older_decisions() {
    let mut shims = Shims::start(Store::Redis, 2);
    let (mut first, mut second) = (shims.api(0), shims.api(1));
    let one = charge(counter("a", "b"), sliding(10, MINUTE_MS));
    let before = must_charge(&mut first, &one);
    let url = harness::stack::redis::url(shims.redis());
    let redis = redis::Client::open(url).expect("a URL");
    let mut redis = redis.get_connection().expect("Redis answers");
    redis::cmd("FLUSHALL").exec(&mut redis).expect("FLUSHALL");
    wait_for("both to have the new key", || {
        let decision = must_charge(&mut first, &one);
        let body = SettleBody { settles: vec![settle("s", &decision.id, &one, give_back(1))] };
        let body = serde_json::to_vec(&body).expect("JSON");
        let is_taken = second.post("/v1/settle", &[], body).status == 200;
        thread::sleep(Duration::from_millis(20));
        let log = |at: usize| std::fs::read_to_string(shims.shims[at].log()).expect("a log");
        let has_read = |at| log(at).matches("read the key that seals decisions").count() == 2;
        (is_taken && has_read(0) && has_read(1)).then_some(())
    });
    for api in [&mut first, &mut second] {
        must_be_rejected(api, vec![settle("s", &before.id, &one, give_back(1))]);
    }
}
