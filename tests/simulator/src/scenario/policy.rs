//! Random policies: every algorithm, every `on_failure`, refunds, shadows, tiers, blocks, several
//! buckets per request. Some windows outlast the run, so the final ledger shows if anything was lost.

use crate::dice::Dice;
use serde_json::{Map, Value, json};

/// The paths that rules match.
pub(crate) const PATHS: [&str; 3] = ["/a", "/b", "/c"];
/// The tiers of users. A user's tier never changes.
pub(crate) const TIERS: [&str; 3] = ["free", "pro", "other"];
const MAX_BUCKETS: u64 = 5;

/// Creates a random policy.
pub(super) fn random(dice: &mut Dice) -> Value {
    let names: Vec<String> =
        (0..dice.in_range(1..=MAX_BUCKETS)).map(|at| format!("bucket{at}")).collect();
    let buckets: Map<String, Value> =
        names.iter().map(|name| (name.clone(), bucket(dice))).collect();
    let mut rules = vec![json!({ "match": { "paths": ["/free"] }, "charge": [] })];
    rules.extend(PATHS.iter().map(|path| rule(dice, path, &names)));
    json!({
        "version": 1,
        "salt": "one",
        "shim": { "cluster": "tollgate", "timeout": format!("{}ms", dice.in_range(20..=250)) },
        "keys": {
            "user": { "jwt_claim": "sub", "otherwise": "client" },
            "client": { "client_ip": { "v4_prefix": 32, "v6_prefix": 64 } },
        },
        "buckets": buckets,
        "rules": rules,
    })
}

/// Returns `policy` with changes that leave its limits alone: another timeout, or another salt,
/// which resets all counters.
pub(super) fn changed(dice: &mut Dice, policy: &Value) -> Value {
    let mut changed = policy.clone();
    if dice.chance(500) {
        changed["salt"] = json!("two");
    }
    if dice.chance(300) {
        changed["shim"]["timeout"] = json!(format!("{}ms", dice.in_range(20..=250)));
    }
    changed
}

fn bucket(dice: &mut Dice) -> Value {
    let mut bucket = match dice.in_range(0..=5) {
        0 => json!({ "per": dice.pick("day", &["hour", "minute"]), "limit": limit(dice) }),
        1 => {
            let burst = dice.in_range(1..=20);
            json!({ "rate": dice.in_range(1..=20), "every": "1s", "burst": burst })
        }
        2 | 3 => json!({ "window": "10m", "limit": limit(dice) }),
        _ => {
            let window = format!("{}ms", dice.in_range(400..=3_000));
            json!({ "window": window, "limit": limit(dice) })
        }
    };
    bucket["key"] = json!(dice.pick("user", &["client"]));
    bucket["on_failure"] = json!(dice.pick("deny", &["local", "allow", "deny"]));
    if dice.chance(150) {
        bucket["enforce"] = json!(false);
    }
    if dice.chance(200) {
        bucket["block"] = json!({
            "after": dice.in_range(1..=8),
            "within": format!("{}ms", dice.in_range(500..=20_000)),
            "for": format!("{}ms", dice.in_range(500..=8_000)),
        });
    }
    let refunds = ["success", "client_error", "server_error", "cache_hit"];
    let refund: Vec<&str> = refunds.into_iter().filter(|_| dice.chance(120)).collect();
    if !refund.is_empty() {
        bucket["refund"] = json!(refund);
    }
    bucket
}

fn limit(dice: &mut Dice) -> Value {
    let one = |dice: &mut Dice| match dice.in_range(0..=3) {
        0 => dice.in_range(100..=2_000),
        1 => dice.in_range(20..=120),
        _ => dice.in_range(1..=12),
    };
    if dice.chance(800) {
        return json!(one(dice));
    }
    let [free, pro, _] = TIERS;
    let values = json!({ free: one(dice), pro: one(dice) });
    json!({ "by": { "jwt_claim": "tier" }, "values": values, "otherwise": one(dice) })
}

fn rule(dice: &mut Dice, path: &str, names: &[String]) -> Value {
    let mut charge: Vec<&String> = names.iter().filter(|_| dice.chance(500)).collect();
    if charge.is_empty() {
        charge.extend(names.first());
    }
    json!({ "match": { "paths": [path] }, "charge": charge })
}
