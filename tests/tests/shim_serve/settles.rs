//! Settles: applied once, in whatever order and however often they arrive.

use limits::quota::Period;
use limits::wire::{Charge, Cost, Decision, Settle, SettleCharge};
use tests::shim::{
    Api, Shims, Store, back, charge, counter, fixed, more, only, request, settle, sliding, tokens,
    wait_for,
};

const MINUTE_MS: u64 = 60_000;

fn on_each(test: impl Fn(&mut Api)) {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        test(&mut shims.api(0));
    }
}

fn charged(api: &mut Api, charge: &Charge) -> Decision {
    let decision = api.one(request([charge.clone()]));
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
            let decision = charged(api, &five);
            let once = || settle("s-1", &decision.id, &five, back(2));
            let first = api.settle(vec![once(), once()]).settled;
            assert_eq!((first[0].applied, &first[0].remaining[..]), (true, &[7][..]), "{five:?}");
            assert_eq!((first[1].applied, &first[1].remaining[..]), (false, &[7][..]), "{five:?}");
            let again = api.settle(vec![once()]).settled;
            assert_eq!((again[0].applied, &again[0].remaining[..]), (false, &[7][..]), "{five:?}");
        }
    });
}

#[test]
fn settles_may_come_in_any_order() {
    on_each(|api| {
        let one = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        let first = charged(api, &one);
        let second = charged(api, &one);
        let settled = api.settle(vec![
            settle("late", &second.id, &one, back(1)),
            settle("early", &first.id, &one, more(3)),
        ]);
        assert_eq!(settled.settled[0].remaining, [9]);
        assert_eq!(settled.settled[1].remaining, [6]);
    });
}

#[test]
fn a_charge_afterwards_may_go_over_and_counts_against_what_follows() {
    on_each(|api| {
        let one = charge(counter("a", "b"), sliding(5, MINUTE_MS));
        let decision = charged(api, &one);
        let settled = api.settle(vec![settle("s", &decision.id, &one, more(10))]);
        assert_eq!(settled.settled[0].remaining, [0]);
        assert!(!api.one(request([one])).admitted);
    });
}

#[test]
fn a_settle_after_the_window_is_harmlessly_not_applied() {
    on_each(|api| {
        let brief = charge(counter("a", "b"), sliding(5, 50));
        let decision = charged(api, &brief);
        let number = std::cell::Cell::new(0);
        wait_for("the window to pass", || {
            // Another id each time: the same would be a repetition.
            number.set(number.get() + 1);
            let id = format!("s-{}", number.get());
            let settled = api.settle(vec![settle(&id, &decision.id, &brief, back(1))]);
            (!settled.settled[0].applied).then_some(())
        });
        assert_eq!(only(&api.one(request([brief]))).remaining, 4);
    });
}

#[test]
fn one_settle_of_several_identities_is_applied_to_each() {
    on_each(|api| {
        let charges = ["a", "b", "c"].map(|who| charge(counter(who, "b"), sliding(10, MINUTE_MS)));
        let decision = api.one(request(charges.clone()));
        let parts = charges.iter().map(|charge| SettleCharge {
            counter: charge.counter.clone(),
            quota: charge.quota.clone(),
            amount: back(1),
            lease_ms: None,
        });
        let whole = Settle { id: "s".to_owned(), decision: decision.id, charges: parts.collect() };
        let settled = api.settle(vec![whole.clone()]).settled;
        assert_eq!((settled[0].applied, &settled[0].remaining[..]), (true, &[10, 10, 10][..]));
        assert!(!api.settle(vec![whole]).settled[0].applied);
    });
}
