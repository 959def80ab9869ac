//! The behavior that all ledgers share.

use limits::quota::Period;
use limits::quota::WindowMs;
use limits::wire::{Charge, Cost, DecisionError, LeaseAsk, LeaseWish};
use tests::shim::{
    Api, Shims, Store, charge, counter, fixed, only_charge, request, sliding, tokens, wait_for,
};

const MINUTE_MS: u64 = 60_000;

fn on_each(test: impl Fn(&mut Api)) {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        test(&mut shims.api(0));
    }
}

#[test]
fn requests_are_decided_in_order() {
    on_each(|api| {
        let one = || request([charge(counter("a", "b"), sliding(5, MINUTE_MS))]);
        let reply = api.decide((0..7).map(|_| one()).collect());
        let admitted: Vec<_> = reply.decisions.iter().map(|decision| decision.admitted).collect();
        assert_eq!(admitted, [true, true, true, true, true, false, false]);
        let left: Vec<_> =
            reply.decisions.iter().map(|decision| only_charge(decision).remaining).collect();
        assert_eq!(left, [4, 3, 2, 1, 0, 0, 0]);
        let denied = &reply.decisions[5];
        assert!((1..=MINUTE_MS).contains(&denied.retry_after_ms), "{denied:?}");
        let mut ids: Vec<_> = reply.decisions.iter().map(|decision| &decision.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 7);
    });
}

#[test]
fn a_denied_request_charges_nothing_in_any_bucket() {
    on_each(|api| {
        let narrow = || charge(counter("a", "narrow"), sliding(1, MINUTE_MS));
        let wide = || charge(counter("a", "wide"), fixed(100, Period::Day));
        let smooth = || charge(counter("b", "smooth"), tokens(1, MINUTE_MS, 50));
        assert!(api.decide_one(request([narrow(), wide(), smooth()])).admitted);
        let denied = api.decide_one(request([narrow(), wide(), smooth()]));
        assert!(!denied.admitted);
        let fitted: Vec<_> = denied.charges.iter().map(|charge| charge.admitted).collect();
        assert_eq!(fitted, [false, true, true]);
        assert_eq!(denied.retry_after_ms, denied.charges[0].retry_after_ms);
        assert_eq!(only_charge(&api.decide_one(request([wide()]))).remaining, 98);
        assert_eq!(only_charge(&api.decide_one(request([smooth()]))).remaining, 48);
    });
}

#[test]
fn a_peek_charges_nothing() {
    on_each(|api| {
        let quota = || fixed(3, Period::Day);
        let peek = |api: &mut Api| api.peek(counter("a", "b"), quota()).charge;
        assert_eq!((peek(api).remaining, peek(api).reset_ms), (3, 0));
        for left in [2, 1, 0] {
            assert!(api.decide_one(request([charge(counter("a", "b"), quota())])).admitted);
            assert_eq!(peek(api).remaining, left);
        }
        assert!(!peek(api).admitted);
        assert_eq!(api.peek(counter("other", "b"), quota()).charge.remaining, 3);
    });
}

#[test]
fn a_shadow_charge_counts_but_never_denies() {
    on_each(|api| {
        let shadow =
            || Charge { enforce: false, ..charge(counter("a", "b"), sliding(1, MINUTE_MS)) };
        assert!(only_charge(&api.decide_one(request([shadow()]))).admitted);
        let second = api.decide_one(request([shadow()]));
        assert!(second.admitted && !only_charge(&second).admitted, "{second:?}");
    });
}

#[test]
fn an_unlimited_quota_is_counted() {
    on_each(|api| {
        let limit = 1 << 53;
        for (name, quota) in
            [("window", sliding(limit, MINUTE_MS)), ("day", fixed(limit, Period::Day))]
        {
            let mut left_after = |cost| {
                let cost = Cost::clamped(cost);
                let charge = Charge { cost, ..charge(counter(name, "b"), quota) };
                only_charge(&api.decide_one(request([charge]))).remaining
            };
            assert_eq!(left_after(7), limit - 7);
            assert_eq!(left_after(1), limit - 8);
        }
    });
}

#[test]
fn costs_and_changed_limits_apply_at_once() {
    on_each(|api| {
        let cost = |cost, limit| {
            let cost = Cost::clamped(cost);
            request([Charge { cost, ..charge(counter("a", "b"), sliding(limit, MINUTE_MS)) }])
        };
        assert_eq!(only_charge(&api.decide_one(cost(7, 10))).remaining, 3);
        assert!(!api.decide_one(cost(4, 10)).admitted);
        assert_eq!(only_charge(&api.decide_one(cost(4, 20))).remaining, 9);
        assert_eq!(only_charge(&api.decide_one(cost(1, 5))).remaining, 0);
    });
}

#[test]
fn a_lease_is_granted_and_charged() {
    on_each(|api| {
        let lease =
            Some(LeaseAsk { wish: LeaseWish::clamped(100), lease_ms: WindowMs::clamped(1_000) });
        let asking = Charge { lease, ..charge(counter("a", "b"), sliding(100, MINUTE_MS)) };
        let granted = only_charge(&api.decide_one(request([asking])));
        let lease = granted.lease.expect("a lease");
        assert!(lease.granted > 0 && lease.lease_ms <= 1_000, "{granted:?}");
        assert_eq!(granted.remaining, 99 - lease.granted);
    });
}

#[test]
fn a_calendar_quota_resets_with_its_period() {
    on_each(|api| {
        let reply = api.decide(vec![request([charge(counter("a", "b"), fixed(3, Period::Hour))])]);
        let left_ms = 3_600_000 - reply.now_ms % 3_600_000;
        assert_eq!(only_charge(&reply.decisions[0]).reset_ms, left_ms);
    });
}

#[test]
fn charges_expire_with_their_window() {
    on_each(|api| {
        let one = || request([charge(counter("a", "b"), sliding(1, 200))]);
        assert!(api.decide_one(one()).admitted);
        let denied = api.decide_one(one());
        assert!(denied.admitted || denied.retry_after_ms <= 200);
        wait_for("the window to pass", || api.decide_one(one()).admitted.then_some(()));
    });
}

#[test]
fn a_thousand_requests_in_one_call_span_several_scripts() {
    on_each(|api| {
        let one =
            |at: usize| request([charge(counter(&at.to_string(), "b"), sliding(1, MINUTE_MS))]);
        let reply = api.decide((0..1024).map(|at| one(at % 512)).collect());
        let (first, second) = reply.decisions.split_at(512);
        assert!(first.iter().all(|decision| decision.admitted));
        assert!(second.iter().all(|decision| !decision.admitted));
        assert!(second.iter().all(|decision| decision.error != Some(DecisionError::Unavailable)));
    });
}

#[test]
fn every_reply_has_the_marker_header() {
    on_each(|api| {
        for path in ["/v1/decide", "/v1/settle", "/healthz", "/nowhere"] {
            let reply = api.post(path, &[], "");
            assert_eq!(reply.header("tollgate-version"), "1", "{path}: {}", reply.as_text());
        }
    });
}

#[test]
fn metrics_count_decisions() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let one = || request([charge(counter("a", "login"), sliding(1, MINUTE_MS))]);
        api.decide(vec![one(), one(), one()]);
        let metrics = shims.shims[0].get("/metrics").expect("metrics").body;
        let labels = r#"bucket="login",algorithm="sliding_window",verdict"#;
        for line in [
            format!(r#"tollgate_charges_total{{{labels}="admitted"}} 1"#),
            format!(r#"tollgate_charges_total{{{labels}="denied"}} 2"#),
            r#"tollgate_decisions_total{verdict="denied"} 2"#.to_owned(),
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
        }
        assert_eq!(metrics.contains("tollgate_scripts_total"), store != Store::Memory);
    }
}
