use super::*;
use limits::ledger::TimeMs;
use limits::quota::{
    Anchor, FixedWindow, Limit, Period, SlidingWindow, TimeZone, TokenBucket, WindowMs,
};
use limits::wire::{ChargeOutcome, Cost, LeaseGrant};

const NOW_MS: u64 = 1_790_000_000_000;

fn sealer() -> Sealer {
    Sealer::new(&[7; KEY_BYTES])
}

fn counter(bucket: &str) -> CounterName {
    format!("tg:{{0123456789abcdef0123456789abcdef}}:{bucket}").try_into().unwrap()
}

fn sliding(limit: u64) -> Quota {
    let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(60_000));
    Quota::SlidingWindow(SlidingWindow { limit, window_ms })
}

fn charge(bucket: &str, cost: u64) -> Charge {
    Charge {
        counter: counter(bucket),
        quota: sliding(10),
        cost: Cost::clamped(cost),
        enforce: true,
        lease: None,
        block: None,
    }
}

fn outcome(admitted: bool, granted: Option<u64>) -> ChargeOutcome {
    let lease = granted.map(|granted| LeaseGrant { granted, lease_ms: 400 });
    ChargeOutcome {
        admitted,
        limit: 10,
        remaining: 5,
        reset_ms: 1,
        retry_after_ms: 0,
        lease,
        blocked: false,
    }
}

fn id(charges: &[Charge], outcomes: &[ChargeOutcome]) -> String {
    let charges_of = outcomes.to_vec();
    let decided = Decided { admitted: true, retry_after_ms: 0, charges: charges_of, error: None };
    format!("{NOW_MS}-{}", sealer().seal(NOW_MS, "0123456789abcdef-1f", charges, &decided))
}

fn back(charge: &Charge, amount: u64, charged: u64, lease_ms: Option<u64>) -> SettleCharge {
    SettleCharge {
        counter: charge.counter.clone(),
        quota: charge.quota,
        amount: SettleAmount::GiveBack(Limit::clamped(amount)),
        charged: Cost::clamped(charged),
        lease_ms: lease_ms.map(WindowMs::clamped),
    }
}

fn settle(decision: &str, charges: Vec<SettleCharge>) -> Settle {
    Settle {
        id: "s".to_owned().try_into().unwrap(),
        decision: decision.to_owned(),
        decision_ms: TimeMs::clamped(NOW_MS),
        charges,
    }
}

fn marks(settle: &Settle) -> Result<Vec<String>, Vec<usize>> {
    let mark = |part: Part| format!("{:?} {:?}", part.id, part.charges);
    Ok(sealer().parts(settle)?.into_iter().map(mark).collect())
}

#[test]
fn an_id_has_a_seal_for_each_charge_and_lease() {
    let charges = [charge("a", 1), charge("shadow", 1), charge("b", 3)];
    let id = id(&charges, &[outcome(true, None), outcome(false, None), outcome(true, Some(9))]);
    assert_eq!(decision_name(&id), "1790000000000-0123456789abcdef-1f");
    assert_eq!(id.len(), decision_name(&id).len() + 1 + 3 * SEAL_BYTES);
    assert!(decision_name(&id).len() <= MAX_NAME_BYTES);
}

#[test]
fn any_subset_of_the_charges_is_accepted_and_nothing_else() {
    let (a, b) = (charge("a", 1), charge("b", 3));
    let id = id(&[a.clone(), b.clone()], &[outcome(true, None), outcome(true, Some(9))]);
    let both = settle(&id, vec![back(&b, 2, 3, None), back(&a, 1, 1, None)]);
    assert_eq!(marks(&both).unwrap().len(), 1, "one identity, one mark");
    assert!(marks(&settle(&id, vec![back(&b, 3, 3, None)])).is_ok());
    assert!(marks(&settle(&id, vec![back(&b, 9, 9, Some(400))])).is_ok());
    for unsealed in [
        back(&charge("c", 1), 1, 1, None),
        back(&a, 2, 2, None),
        back(&a, 1, 1, Some(400)),
        back(&b, 9, 9, None),
        back(&b, 9, 9, Some(401)),
        back(&b, 3, 3, Some(400)),
        SettleCharge { quota: sliding(11), ..back(&a, 1, 1, None) },
        SettleCharge {
            quota: Quota::TokenBucket(
                TokenBucket::new(Limit::clamped(10), WindowMs::clamped(60_000), Limit::clamped(10))
                    .unwrap(),
            ),
            ..back(&a, 1, 1, None)
        },
        SettleCharge {
            quota: Quota::FixedWindow(FixedWindow {
                limit: Limit::clamped(10),
                per: Period::Minute,
                time_zone: TimeZone::UTC,
                anchor: Anchor::default(),
            }),
            ..back(&a, 1, 1, None)
        },
    ] {
        let settle = settle(&id, vec![back(&a, 1, 1, None), unsealed]);
        assert_eq!(marks(&settle), Err(vec![1]), "{settle:?}");
    }
}

#[test]
fn seals_of_another_decision_or_key_are_refused() {
    let a = charge("a", 1);
    let good = id(std::slice::from_ref(&a), &[outcome(true, None)]);
    let (name, seal) = good.split_once('.').unwrap();
    let one = || vec![back(&a, 1, 1, None)];
    assert!(marks(&settle(&good, one())).is_ok());
    let other_key = Sealer::new(&[8; KEY_BYTES]);
    assert_eq!(other_key.parts(&settle(&good, one())), Err(vec![0]));
    for bad in [
        name.to_owned(),
        format!("{name}."),
        format!("{name}.{}", seal.repeat(MAX_SEALS + 1)),
        format!("{name}.{seal}A"),
        format!("{name}.A{seal}"),
        format!("{name}0.{seal}"),
        format!("1{name}.{seal}"),
        format!("{name}.{}", seal.chars().rev().collect::<String>()),
        format!("{NOW_MS}-{}.{seal}", "x".repeat(MAX_NAME_BYTES)),
    ] {
        assert_eq!(marks(&settle(&bad, one())), Err(vec![0]), "{bad}");
    }
    assert!(marks(&settle(&format!("{name}.{}{seal}", "A".repeat(SEAL_BYTES)), one())).is_ok());
}

#[test]
fn give_backs_are_marked_by_the_decision() {
    let a = charge("a", 5);
    let decision = id(std::slice::from_ref(&a), &[outcome(true, Some(9))]);
    let with_id = |own: &str, charge: SettleCharge| {
        let id = SettleId::try_from(own.to_owned()).unwrap();
        marks(&Settle { id, ..settle(&decision, vec![charge]) }).unwrap()
    };
    assert_eq!(
        with_id("s-1", back(&a, 5, 5, None)),
        with_id("s-2", back(&a, 1, 5, None)),
        "a charge comes back once"
    );
    assert_eq!(
        with_id("s-1", back(&a, 3, 9, Some(400))),
        with_id("s-2", back(&a, 9, 9, Some(400))),
        "the parts of a lease share a mark"
    );
    assert_ne!(with_id("s-1", back(&a, 5, 5, None)), with_id("s-1", back(&a, 9, 9, Some(400))));
    let due = |own| {
        let amount = SettleAmount::Charge(Limit::clamped(4));
        with_id(own, SettleCharge { amount, ..back(&a, 1, 5, None) })
    };
    assert_ne!(due("s-1"), due("s-2"), "a late charge has the settle's own mark");
}
