//! Random buckets, their limits, and the costs that are charged to them.

use crate::dice::Dice;
use serde_json::{Map, Value, json};

/// The tiers of users. A user's tier never changes.
pub(crate) const TIERS: [&str; 3] = ["free", "pro", "other"];

pub(super) fn bucket(dice: &mut Dice) -> Value {
    let mut bucket = counting(dice);
    let is_balance = bucket.get("balance").is_some();
    let key = match dice.in_range(0..=9) {
        0..=5 => dice.pick("user", &["client"]),
        _ => {
            let others =
                ["roles", "model", "size", "place", "verb", "site", "everyone", "user_at_place"];
            dice.pick("session", &others)
        }
    };
    // Payers who share a counter must have the same calendar.
    let has_own = ["time_zone", "anchor"].iter().any(|field| bucket[*field].is_object());
    bucket["key"] = json!(if has_own { "user" } else { key });
    let on_failure: &[&str] = if is_balance { &["allow"] } else { &["local", "allow", "deny"] };
    bucket["on_failure"] = json!(dice.pick("deny", on_failure));
    if dice.chance(150) {
        bucket["enforce"] = json!(false);
    }
    if dice.chance(200) && !is_balance {
        bucket["block"] = json!({
            "after": dice.in_range(1..=8),
            "within": format!("{}ms", dice.in_range(500..=20_000)),
            "for": format!("{}ms", dice.in_range(500..=8_000)),
        });
    }
    if dice.chance(100) && !is_balance && bucket["key"] == "user" {
        bucket["tiers"] =
            json!({ "by": { "jwt_claim": "tier" }, "values": { "pro": counting(dice) } });
    }
    if bucket.get("per").is_some() && dice.chance(200) {
        bucket["jitter"] = json!("2s");
    }
    let refunds = ["success", "client_error", "server_error", "cache_hit"];
    let refund: Vec<&str> = refunds.into_iter().filter(|_| dice.chance(120)).collect();
    if !refund.is_empty() {
        bucket["refund"] = json!(refund);
    }
    match dice.in_range(0..=5) {
        0 => bucket["refusal"] = refusal(dice),
        1 => bucket["visible"] = json!(false),
        _ => {}
    }
    bucket
}

/// Returns the fields by which a bucket or a tier counts.
fn counting(dice: &mut Dice) -> Value {
    match dice.in_range(0..=7) {
        0 => json!({ "per": dice.pick("day", &["hour", "minute"]), "limit": limit(dice) }),
        1 => calendar(dice),
        2 => {
            let burst = dice.in_range(1..=20);
            json!({ "rate": dice.in_range(1..=20), "every": "1s", "burst": burst })
        }
        3 => json!({ "balance": balance(dice) }),
        4 | 5 => json!({ "window": "10m", "limit": limit(dice) }),
        _ => {
            let window = format!("{}ms", dice.in_range(400..=3_000));
            json!({ "window": window, "limit": limit(dice) })
        }
    }
}

/// Returns a quota with an anchor or a time zone of its own.
fn calendar(dice: &mut Dice) -> Value {
    let mut fields = match dice.in_range(0..=3) {
        0 => json!({ "per": "week", "anchor": "friday" }),
        1 => {
            json!({ "per": "month", "anchor": { "from": { "jwt_claim": "day" }, "otherwise": 31 } })
        }
        2 => json!({ "per": "year", "anchor": "04-06", "time_zone": "Pacific/Auckland" }),
        _ => {
            json!({ "per": "day", "time_zone": { "from": { "jwt_claim": "zone" }, "otherwise": "UTC" } })
        }
    };
    fields["limit"] = limit(dice);
    fields
}

fn balance(dice: &mut Dice) -> Value {
    if dice.chance(700) {
        return json!(dice.in_range(0..=60));
    }
    let values = json!({ "pro": dice.in_range(20..=200) });
    json!({ "by": { "jwt_claim": "tier" }, "values": values, "otherwise": dice.in_range(0..=30) })
}

fn limit(dice: &mut Dice) -> Value {
    match dice.in_range(0..=19) {
        0..=13 => json!(count(dice)),
        14..=16 => table(dice),
        17 => {
            let by = table(dice);
            json!({ "by": { "header": "x-model" }, "values": { "large": by }, "otherwise": count(dice) })
        }
        18 => {
            json!({ "from": { "jwt_claim": "daily" }, "max": 30, "otherwise": dice.in_range(1..=9) })
        }
        _ => json!(dice.pick("unlimited", &["unlimited"])),
    }
}

fn count(dice: &mut Dice) -> u64 {
    match dice.in_range(0..=3) {
        0 => dice.in_range(100..=2_000),
        1 => dice.in_range(20..=120),
        _ => dice.in_range(1..=12),
    }
}

/// Returns a limit for each tier, some of them 0 or unlimited.
fn table(dice: &mut Dice) -> Value {
    let one = |dice: &mut Dice| match dice.in_range(0..=9) {
        0 => json!(0),
        1 => json!("unlimited"),
        _ => json!(count(dice)),
    };
    let [free, pro, _] = TIERS;
    let values = Map::from_iter([(free.to_owned(), one(dice)), (pro.to_owned(), one(dice))]);
    json!({ "by": { "jwt_claim": "tier" }, "values": values, "otherwise": one(dice) })
}

/// Returns the cost of a charge; `None` for the default.
pub(super) fn cost(dice: &mut Dice) -> Option<Value> {
    match dice.in_range(0..=11) {
        0 => Some(json!(dice.in_range(2..=6))),
        1 => {
            let values = json!({ "large": dice.in_range(3..=9), "mini": 0 });
            Some(json!({ "by": { "header": "x-model" }, "values": values, "otherwise": 2 }))
        }
        2 => Some(json!({ "from": { "header": "x-cost" }, "min": 2, "max": 7, "otherwise": 1 })),
        3 => {
            let from = json!({ "content_length": {} });
            Some(json!({ "from": from, "divide_by": 1_000, "max": 3, "otherwise": 1 }))
        }
        _ => None,
    }
}

fn refusal(dice: &mut Dice) -> Value {
    match dice.in_range(0..=2) {
        0 => {
            json!({ "status": 503, "body": { "text": "{bucket}: {limit}, wait {retry_after_s} s" } })
        }
        1 => {
            json!({ "status": 403, "body": { "json": { "wait": "{retry_after_s}", "why": "{detail}" } } })
        }
        _ => json!({ "body": { "html": "<p>{detail}</p>" }, "headers": { "x-rule": "{rule}" } }),
    }
}
