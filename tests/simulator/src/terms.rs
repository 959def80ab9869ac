//! A plain reading of a random policy: which buckets a request pays, how much, for whom, and up to
//! which limit. It reads the document as a person would, knows only what [`crate::scenario`] writes,
//! and shares no code with the policy's own.

use crate::request::ClientRequest;
use crate::scenario::WHENS;
use limits::bounded::MAX_SAFE;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The charge of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The amount.
    pub cost: u64,
    /// The limit, or the balance before all top-ups. `None` for a token bucket.
    pub limit: Option<u64>,
    /// The payer: the name of the key that has a value, and the value.
    pub payer: String,
    /// True for a balance, which can begin with 0.
    pub is_balance: bool,
    /// True if the payer has one counter of the bucket. Tiers that count in other ways have their own.
    pub has_one_counter: bool,
}

/// Returns the charges of a request by bucket, without those that cost nothing.
#[must_use]
pub fn of(policy: &Value, ask: &ClientRequest) -> BTreeMap<String, Term> {
    let mut costs: BTreeMap<String, u64> = BTreeMap::new();
    if list(policy, "exempt").iter().any(|one| matches(one, ask)) {
        return BTreeMap::new();
    }
    for rule in list(policy, "rules") {
        if !rule.get("match").is_none_or(|one| matches(one, ask)) {
            continue;
        }
        for charge in list(rule, "charge") {
            let bucket = charge.get("bucket").unwrap_or(charge);
            let cost = charge.get("cost").map_or(1, |cost| amount(cost, ask));
            *costs.entry(text(bucket)).or_default() += cost;
        }
        if rule.get("continue") != Some(&Value::Bool(true)) {
            break;
        }
    }
    costs.retain(|_, cost| *cost > 0);
    costs.into_iter().map(|(name, cost)| (name.clone(), term(policy, &name, cost, ask))).collect()
}

fn term(policy: &Value, name: &str, cost: u64, ask: &ClientRequest) -> Term {
    let bucket = policy["buckets"].get(name).unwrap_or(&Value::Null);
    let chosen =
        bucket.get("tiers").and_then(|tiers| tiers["values"].get(source(&tiers["by"], ask)?));
    let counting = chosen.unwrap_or(bucket);
    let limit = counting.get("limit").or_else(|| counting.get("balance"));
    Term {
        cost,
        limit: limit.map(|limit| amount(limit, ask)),
        is_balance: counting.get("balance").is_some(),
        payer: payer(&policy["keys"], &text(&bucket["key"]), ask),
        has_one_counter: bucket.get("tiers").is_none(),
    }
}

/// Returns a number, from a table, or from the request within bounds.
fn amount(amount: &Value, ask: &ClientRequest) -> u64 {
    if let Some(by) = amount.get("by") {
        let listed = source(by, ask).and_then(|text| amount["values"].get(text));
        return self::amount(listed.unwrap_or(&amount["otherwise"]), ask);
    }
    if let Some(from) = amount.get("from") {
        let of =
            |field: &str, otherwise| amount.get(field).and_then(Value::as_u64).unwrap_or(otherwise);
        let found = source(from, ask).and_then(|text| text.parse::<u64>().ok());
        let shared =
            |number: u64| number.div_ceil(of("divide_by", 1)).clamp(of("min", 1), of("max", 1));
        return found.map_or(of("otherwise", 1), shared);
    }
    if amount == "unlimited" { MAX_SAFE } else { amount.as_u64().unwrap_or_default() }
}

/// Returns the value of a source in a request.
fn source(source: &Value, ask: &ClientRequest) -> Option<String> {
    let (kind, name) = source.as_object()?.iter().next()?;
    let name = name.as_str().unwrap_or_default();
    match kind.as_str() {
        "jwt_claim" => Some(text(ask.claims()?.get(name)?)),
        "header" => ask.header_text(name),
        "content_length" => ask.header_text("content-length"),
        "query" => Some(ask.size?.to_string()),
        "cookie" => Some(format!("s-{}", ask.session?)),
        "path" => Some(ask.path.to_owned()),
        "method" => Some(ask.method.to_owned()),
        "host" | "constant" => Some(name.to_owned()),
        "client_ip" => Some(ask.ip()),
        _ => None,
    }
}

fn payer(keys: &Value, name: &str, ask: &ClientRequest) -> String {
    let key = &keys[name];
    if key.get("all").is_some() {
        let parts = list(key, "all").iter().map(|part| payer(keys, &text(part), ask));
        return parts.collect::<Vec<_>>().join("+");
    }
    let own: Map<String, Value> = key.as_object().cloned().unwrap_or_default();
    let own = own.into_iter().filter(|(field, _)| field != "otherwise").collect();
    match source(&Value::Object(own), ask) {
        Some(value) => format!("{name}={value}"),
        None => payer(keys, &text(&key["otherwise"]), ask),
    }
}

/// Returns true if all conditions of a match hold.
fn matches(matching: &Value, ask: &ClientRequest) -> bool {
    let fields = matching.as_object().into_iter().flatten();
    fields.into_iter().all(|(field, wanted)| {
        let among =
            |found: &str| wanted.as_array().is_some_and(|all| all.iter().any(|one| one == found));
        match field.as_str() {
            "paths" => among(ask.path),
            "methods" => among(ask.method),
            // The network `low` has four addresses, and numbers begin at the second.
            "client" => ask.address <= 2,
            "authenticated" => wanted == ask.user.is_some(),
            "claims" => named(wanted, |name| ask.claims()?.get(name).cloned()),
            "query" => named(wanted, |_| ask.size.map(Value::from)),
            "cookies" => named(wanted, |_| Some(format!("s-{}", ask.session?).into())),
            "headers" => named(wanted, |name| ask.header_text(name).map(Value::from)),
            "any" => list(matching, "any").iter().any(|one| matches(one, ask)),
            "not" => !matches(wanted, ask),
            "when" => when(&text(wanted), ask).unwrap_or(matching["on_error"] == "match"),
            _ => true,
        }
    })
}

/// Returns true if the named values are as wanted. `find` returns the value of a name.
fn named(wanted: &Value, find: impl Fn(&str) -> Option<Value>) -> bool {
    let all = wanted.as_object().into_iter().flatten();
    all.into_iter().all(|(name, wanted)| is_as_wanted(wanted, find(name)))
}

fn is_as_wanted(wanted: &Value, found: Option<Value>) -> bool {
    if let Some(present) = wanted.get("present") {
        return *present == found.is_some();
    }
    let Some(found) = found else { return false };
    if let Value::Array(all) = wanted {
        return all.contains(&found);
    }
    if let Some(least) = wanted.get("at_least") {
        return found.as_u64() >= least.as_u64();
    }
    if let Some(prefix) = wanted.get("prefix") {
        return text(&found).starts_with(&text(prefix));
    }
    let items = found.as_array().cloned().unwrap_or_default();
    wanted.get("contains").is_some_and(|part| items.contains(part))
}

/// Returns what an expression in CEL says of a request; `None` if it cannot be evaluated.
fn when(text: &str, ask: &ClientRequest) -> Option<bool> {
    let [level, roles, cost] = WHENS;
    if text == level {
        Some(
            ask.method == "POST"
                && ask
                    .claims()
                    .is_some_and(|claims| claims.get("level").and_then(Value::as_u64) >= Some(2)),
        )
    } else if text == roles {
        Some(ask.claims()?.get("roles")?.as_array()?.iter().any(|role| role == "admin"))
    } else if text == cost {
        Some(ask.cost? > 4)
    } else {
        None
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
