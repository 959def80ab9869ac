//! Random conditions of rules, from few of each kind.

use crate::dice::Dice;
use serde_json::{Value, json};

/// Conditions in CEL. [`crate::terms`] says in Rust what each means.
pub(crate) const WHENS: [&str; 3] = [
    "request.method == 'POST' && has(claims.level) && claims.level + 1 >= 3",
    "claims.roles.exists(role, role.startsWith('adm'))",
    "int(request.headers['x-cost']) > 4",
];

/// Returns the conditions of a match.
pub(super) fn condition(dice: &mut Dice) -> Value {
    match dice.in_range(0..=7) {
        0 => json!({ "any": [plain(dice), plain(dice)] }),
        1 => json!({ "not": plain(dice) }),
        _ => plain(dice),
    }
}

fn plain(dice: &mut Dice) -> Value {
    match dice.in_range(0..=9) {
        0 => json!({ "client": ["low"] }),
        1 => json!({ "methods": ["POST", "PUT"] }),
        2 => json!({ "authenticated": dice.chance(500) }),
        3 => json!({ "claims": { "tier": ["pro", "other"] } }),
        4 => json!({ "claims": { "roles": { "contains": "admin" } } }),
        5 => json!({ "claims": { "level": { "at_least": 2 } } }),
        6 => json!({ "query": { "size": { "at_least": 10 } } }),
        7 => json!({ "cookies": { "session": { "prefix": "s-" } } }),
        8 => json!({ "headers": { "x-model": { "present": dice.chance(500) } } }),
        _ => {
            let [first, others @ ..] = WHENS;
            let on_error = dice.pick("skip", &["match"]);
            json!({ "when": dice.pick(first, &others), "on_error": on_error })
        }
    }
}
