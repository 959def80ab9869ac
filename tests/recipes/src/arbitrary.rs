//! Random policies and requests, as proptest strategies. They choose from few values, so that rules
//! match, counters are shared and limits are reached.
//!
//! Extend the lists here for a new part of the policy language. A policy must be valid, and what it
//! charges must not depend on the time.

#![expect(clippy::indexing_slicing, reason = "assigning to a field of a JSON object adds it")]

use crate::recipe::{OneOrMany, Recipe, Route, Send, Step};
use limits::policy::Policy;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The bucket names of every policy.
const BUCKETS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Returns recipes of a random policy and `requests` random requests, which expect nothing.
pub fn recipes(requests: usize) -> impl Strategy<Value = Recipe> {
    (policies(), routes(), vec(sends(), requests)).prop_map(|(policy, routes, sends)| {
        let steps = sends.into_iter().map(|send| Step { send, ..Step::default() });
        Recipe { policy, routes, steps: steps.collect(), ..Recipe::default() }
    })
}

/// Returns the recipe that `seed` chooses among [`recipes`].
#[must_use]
pub fn of_seed(seed: u8, requests: usize) -> Option<Recipe> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let recipe = recipes(requests).new_tree(&mut runner).ok()?.current();
    Some(Recipe { name: format!("seed-{seed}"), ..recipe })
}

/// Returns valid policies, without `salt` and `shim`.
pub fn policies() -> impl Strategy<Value = Map<String, Value>> {
    let exempt = option::weighted(0.2, matches());
    let parts = (vec(buckets(), BUCKETS.len()), vec(rules(), 1..8), exempt, spellings());
    let policies = parts.prop_map(|(buckets, mut rules, exempt, spelling)| {
        for (at, rule) in rules.iter_mut().enumerate() {
            if let Some(name) = rule.get_mut("name") {
                *name = json!(format!("rule-{at}"));
            }
        }
        let buckets: Map<String, Value> =
            BUCKETS.into_iter().map(str::to_owned).zip(buckets).collect();
        let exempt: Vec<Value> = exempt.into_iter().filter(|one| *one != json!({})).collect();
        let policy = json!({
            "version": 1,
            "networks": { "office": ["192.0.2.0/31", "2001:db8::/64"] },
            "keys": keys(),
            "buckets": buckets,
            "exempt": exempt,
            "rules": rules,
        });
        let mut policy = policy.as_object().cloned().unwrap_or_default();
        policy.extend(spelling);
        policy
    });
    // Few are not: for example, a cost can exceed the limit.
    policies.prop_filter("the policy is invalid", |policy| {
        Policy::from_value(Value::Object(policy.clone())).is_ok()
    })
}

/// The keys of every policy.
fn keys() -> Value {
    json!({
        "client": { "client_ip": {} },
        "network": { "client_ip": { "v4_prefix": 16, "v6_prefix": 48 } },
        "user": { "jwt_claim": "sub", "otherwise": "client" },
        "nested": { "jwt_claim": ["org", "id"], "otherwise": "user" },
        "plan": { "header": "x-plan", "otherwise": "client" },
        "site": { "host": {} },
        "route": { "route_name": {}, "otherwise": "client" },
        "team": { "route_metadata": ["tollgate", "team"], "otherwise": "client" },
        "api_key": { "query": "x", "otherwise": "client" },
        "session": { "cookie": "x", "otherwise": "user" },
        "tags": { "jwt_claim": "tier", "otherwise": "client" },
        "tenant": { "metadata": ["test", "tenant"], "otherwise": "client" },
        "path": { "path": {} },
        "method": { "method": {} },
        "everyone": { "constant": "all" },
        "user_at_site": { "all": ["user", "site"] },
        "plan_of_user": { "all": ["plan", "user"] },
    })
}

/// Returns the names of [`keys`].
fn key_names() -> Vec<String> {
    keys().as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

/// Returns sources of a value that selects a limit.
fn sources() -> impl Strategy<Value = Value> {
    select(vec![
        json!({ "jwt_claim": "tier" }),
        json!({ "jwt_claim": ["org", "id"] }),
        json!({ "header": "x-plan" }),
        json!({ "host": {} }),
        json!({ "route_name": {} }),
        json!({ "route_metadata": ["tollgate", "team"] }),
        json!({ "query": "x" }),
        json!({ "cookie": "x" }),
        json!({ "metadata": ["test", "tenant"] }),
    ])
}

fn limits() -> impl Strategy<Value = Value> {
    let fixed = prop_oneof![
        8 => (3_u64..20).prop_map(Value::from).boxed(),
        1 => Just(json!(0)).boxed(),
        1 => Just(json!("unlimited")).boxed(),
    ];
    amounts(fixed.clone().boxed(), fixed.boxed())
}

fn costs() -> impl Strategy<Value = Value> {
    // A cost of 0 is only allowed in a table.
    let fixed = |least: u64| (least..4).prop_map(Value::from).boxed();
    amounts(fixed(1), fixed(0))
}

/// Returns numbers that are `fixed`, listed in up to two tables, or read from the request.
fn amounts(
    fixed: BoxedStrategy<Value>,
    listed: BoxedStrategy<Value>,
) -> impl Strategy<Value = Value> {
    let table = |amounts: BoxedStrategy<Value>| {
        (sources(), btree_map(select(TEXTS.to_vec()), amounts.clone(), 1..4), amounts).prop_map(
            |(by, values, otherwise)| json!({ "by": by, "values": values, "otherwise": otherwise }),
        )
    };
    let from = (sources(), 1_u64..3, 5_u64..9, 1_u64..9).prop_map(|(from, min, max, otherwise)| {
        json!({ "from": from, "min": min, "max": max, "otherwise": otherwise })
    });
    prop_oneof![
        4 => fixed,
        2 => table(listed.clone()).boxed(),
        1 => table(table(listed).boxed()).boxed(),
        1 => from.boxed(),
    ]
}

/// Returns the charges of a rule: names, and mappings with a cost.
fn charges() -> impl Strategy<Value = Value> {
    let one = |bucket: &'static str| {
        prop_oneof![
            Just(json!(bucket)),
            costs().prop_map(move |cost| json!({ "bucket": bucket, "cost": cost })),
        ]
    };
    subsequence(BUCKETS.to_vec(), 0..=3)
        .prop_flat_map(move |buckets| buckets.into_iter().map(one).collect::<Vec<_>>())
        .prop_map(Value::from)
}

/// Returns the fields by which a bucket or a tier counts.
fn countings() -> impl Strategy<Value = Value> {
    prop_oneof![
        limits().prop_map(|limit| json!({ "window": "12h", "limit": limit })),
        limits().prop_map(|limit| json!({ "per": "day", "limit": limit })),
        limits().prop_map(|limit| {
            json!({ "per": "month", "time_zone": "Asia/Kathmandu", "limit": limit })
        }),
        limits().prop_map(|limit| json!({ "per": "year", "anchor": "03-31", "limit": limit })),
        (3_u64..20).prop_map(|burst| json!({ "rate": 1, "every": "24h", "burst": burst })),
        (0_u64..20).prop_map(|start| json!({ "balance": start })),
    ]
}

/// Returns forms of refusals. The body and the header name the bucket.
fn refusals() -> impl Strategy<Value = Value> {
    let status = option::of(select(vec![403, 429, 503, 303]));
    let bodies = vec![
        json!({ "text": "refused by {bucket}" }),
        json!({ "html": "refused by {bucket}" }),
        json!({ "json": "refused by {bucket}" }),
    ];
    (status, select(bodies)).prop_map(|(status, body)| {
        let mut refusal = json!({ "body": body, "headers": { "x-refused-by": "{bucket}" } });
        if let Some(status) = status {
            refusal["status"] = json!(status);
        }
        refusal
    })
}

/// Returns the treatments of odd paths, if there are any.
fn spellings() -> impl Strategy<Value = Map<String, Value>> {
    let slash = option::weighted(0.4, select(vec!["reject", "keep", "decode"]));
    let undecodable = option::weighted(0.4, select(vec!["reject", "keep"]));
    (slash, undecodable).prop_map(|(slash, undecodable)| {
        let fields = [("encoded_slash", slash), ("undecodable", undecodable)];
        let fields =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        fields.collect()
    })
}

fn buckets() -> impl Strategy<Value = Value> {
    let tiers = (sources(), btree_map(select(TEXTS.to_vec()), countings(), 1..3))
        .prop_map(|(by, values)| json!({ "by": by, "values": values }));
    let tiers = option::weighted(0.2, tiers);
    // The model knows nothing of blocks, so none begins.
    let block = (500_u64..600, select(vec!["1s", "1h"]))
        .prop_map(|(after, within)| json!({ "after": after, "within": within, "for": "6h" }));
    let block = option::weighted(0.2, block);
    let shown = prop_oneof![
        6 => Just(json!({})).boxed(),
        3 => refusals().prop_map(|refusal| json!({ "refusal": refusal })).boxed(),
        1 => Just(json!({ "visible": false })).boxed(),
    ];
    (select(key_names()), countings(), tiers, prop::bool::weighted(0.8), block, shown).prop_map(
        |(key, mut bucket, tiers, enforce, block, shown)| {
            bucket.as_object_mut().into_iter().for_each(|bucket| {
                bucket.extend(shown.as_object().cloned().unwrap_or_default());
            });
            bucket["key"] = json!(key);
            bucket["enforce"] = json!(enforce);
            if let Some(tiers) = tiers {
                bucket["tiers"] = tiers;
            }
            if let Some(block) = block.filter(|_| bucket.get("balance").is_none()) {
                bucket["block"] = block;
            }
            bucket
        },
    )
}

/// Returns rules with up to three conditions and up to three charges.
fn rules() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), proptest::bool::weighted(0.3));
    let spelling = prop_oneof![4 => Just(Map::new()).boxed(), 1 => spellings().boxed()];
    let parts = (flags, matches(), charges(), spelling);
    parts.prop_map(|((is_named, continues), matching, charge, spelling)| {
        let mut rule = json!({ "match": matching, "charge": charge });
        if is_named {
            rule["name"] = json!("");
        }
        if continues && rule["charge"] != json!([]) {
            rule["continue"] = json!(true);
        }
        rule.as_object_mut().into_iter().for_each(|rule| rule.extend(spelling.clone()));
        rule
    })
}

/// Returns matches, some with alternatives and negations.
fn matches() -> impl Strategy<Value = Value> {
    let plain = vec(conditions(), 0..3)
        .prop_map(|conditions| Value::Object(conditions.into_iter().flatten().collect()));
    plain.boxed().prop_recursive(2, 6, 2, |inner| {
        let some = inner.prop_filter("empty", |matching| *matching != json!({})).boxed();
        prop_oneof![
            3 => some.clone(),
            1 => vec(some.clone(), 1..3).prop_map(|any| json!({ "any": any })).boxed(),
            1 => some.prop_map(|not| json!({ "not": not })).boxed(),
        ]
    })
}

/// Returns the fields of a match, each with those that belong to it.
fn conditions() -> impl Strategy<Value = Map<String, Value>> {
    let whens = (select(WHENS.to_vec()), option::of(select(vec!["match", "skip"])));
    let whens = whens.prop_map(|(when, on_error)| {
        let mut fields = Map::from_iter([("when".to_owned(), when.into())]);
        fields.extend(on_error.map(|on_error| ("on_error".to_owned(), on_error.into())));
        fields
    });
    let others = other_conditions().prop_map(|(name, value)| Map::from_iter([(name, value)]));
    prop_oneof![1 => whens.boxed(), 5 => others.boxed()]
}

/// Returns the fields of a match, except for `when`.
fn other_conditions() -> impl Strategy<Value = (String, Value)> {
    let one_of = |values: &'static [&'static str]| subsequence(values.to_vec(), 1..=2);
    let named = |field: &'static str, names: Vec<&'static str>| {
        (select(names), value_conditions())
            .prop_map(move |(name, condition)| (field, json!({ name: condition })))
            .boxed()
    };
    let fallible = || select(vec!["user", "nested", "plan", "route", "team", "session", "tenant"]);
    prop_oneof![
        4 => one_of(&PATTERNS).prop_map(|paths| ("paths", json!(paths))).boxed(),
        1 => one_of(&METHODS).prop_map(|methods| ("methods", json!(methods))).boxed(),
        1 => one_of(&["*.example.com", "example.com", "a.example.com"])
            .prop_map(|hosts| ("hosts", json!(hosts))).boxed(),
        1 => any::<bool>().prop_map(|is| ("authenticated", json!(is))).boxed(),
        1 => fallible().prop_map(|key| ("has_key", json!(key))).boxed(),
        1 => one_of(&["office", "2001:db8::/47", "192.0.2.2"])
            .prop_map(|client| ("client", json!(client))).boxed(),
        2 => named("headers", vec!["x-plan", "absent"]),
        1 => named("query", vec!["x", "y"]),
        1 => named("cookies", vec!["x", "y"]),
        2 => named("claims", vec!["tier", "sub", "/org/id", "tags"]),
        1 => named("keys", vec!["user", "plan", "site", "team", "api_key", "tags"]),
    ]
    .prop_map(|(name, value)| (name.to_owned(), value))
}

/// Returns conditions on a value.
fn value_conditions() -> impl Strategy<Value = Value> {
    let text = || select(TEXTS.to_vec());
    prop_oneof![
        3 => text().prop_map(Value::from).boxed(),
        1 => subsequence(TEXTS.to_vec(), 1..=3).prop_map(Value::from).boxed(),
        1 => any::<bool>().prop_map(|present| json!({ "present": present })).boxed(),
        1 => select(vec!["p", "fr", "Bl"]).prop_map(|it| json!({ "prefix": it, "ignore_case": true })).boxed(),
        1 => select(vec!["o", "e", "com"]).prop_map(|it| json!({ "suffix": it })).boxed(),
        1 => text().prop_map(|it| json!({ "contains": it })).boxed(),
        1 => select(vec!["^p", "r.e", "[0-9]$"]).prop_map(|it| json!({ "regex": it })).boxed(),
        1 => (0_u64..6).prop_map(|it| json!({ "at_least": it, "below": it + 2 })).boxed(),
    ]
}

/// Conditions in CEL. Many cannot be evaluated for some requests.
const WHENS: [&str; 18] = [
    "request.method == 'GET'",
    "request.path.startsWith('/a') && request.host.endsWith('example.com')",
    "request.headers['x-plan'] == 'free'",
    "'x-plan' in request.headers || authenticated",
    "request.query.x == 'pro'",
    "has(request.query.y) ? request.query.y == '5' : request.method == 'POST'",
    "request.cookies.x.contains('r')",
    "source.address.startsWith('192.')",
    "source.address in ['2001:db8::1', '192.0.2.2']",
    "claims.tier == 'pro'",
    "claims.tier == 5 || claims.sub == 'u1'",
    "has(claims.tier) && 'pro' in claims.tier",
    "claims.tier.exists(tier, tier.startsWith('fr'))",
    "size(claims.org.id) > 3",
    "int(claims.tier) + 1 > 5",
    "metadata['test'].tenant == 5",
    "'o1' in metadata['test'].tenant",
    "route.name == 'blue' && route.metadata['tollgate'].team != 'blue'",
];
const TEXTS: [&str; 7] = ["free", "pro", "5", "true", "example.com", "blue", "o1"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];
const PATTERNS: [&str; 7] = ["/", "/a", "/a/*", "/a/**", "/*/b", "/B", "/a/b"];
const PATHS: [&str; 24] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/B",
    "/x/b",
    "/a?x=1",
    "//a//b",
    "/a/./b",
    "/a/../b",
    "/%61",
    "/a%20b",
    "/a%2fb",
    "/%zz",
    "/a%2Fb/c",
    "/a%5cb",
    "/a/x%2f..%2fb",
    "/a/%ff",
    "/b%2f?x=pro",
    "/a?x=pro&y=5&x=free",
    "/?y=%66ree",
    "/b?x&y=",
];

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let route = |prefix: &'static str| {
        (
            select(vec!["blue", "green"]),
            option::of(select(vec![json!("blue"), json!(5), json!(true)])),
        )
            .prop_map(move |(name, team)| {
                let metadata = team.map(|team| json!({ "tollgate": { "team": team } }));
                Route {
                    prefix: prefix.to_owned(),
                    name: name.to_owned(),
                    metadata: metadata
                        .and_then(|metadata| metadata.as_object().cloned())
                        .unwrap_or_default(),
                }
            })
    };
    prop_oneof![
        Just(Vec::new()).boxed(),
        route("/").prop_map(|route| vec![route]).boxed(),
        (route("/a"), route("/")).prop_map(|(first, second)| vec![first, second]).boxed(),
    ]
}

/// Returns requests that HTTP allows.
pub fn sends() -> impl Strategy<Value = Send> {
    let claims = option::weighted(0.6, claims());
    let place = (select(PATHS.to_vec()), select(METHODS.to_vec()), any::<Index>());
    let tenant = option::of(select(vec![json!("blue"), json!(5), json!(["o1", "pro"])]));
    (place, claims, headers(), any::<Index>(), tenant).prop_map(
        |((path, method, host), claims, headers, client, tenant)| Send {
            metadata: tenant
                .map(|tenant| Map::from_iter([("test".to_owned(), json!({ "tenant": tenant }))]))
                .unwrap_or_default(),
            path: path.to_owned(),
            method: method.to_owned(),
            host: (*host.get(&HOSTS)).to_owned(),
            client: client.get(&CLIENTS).parse().unwrap_or(Send::default().client),
            claims,
            headers,
            ..Send::default()
        },
    )
}

const HOSTS: [&str; 5] =
    ["example.com", "EXAMPLE.com:80", "a.example.com", "a.b.example.com.", "other.test"];
const CLIENTS: [&str; 5] = ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2"];

fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let tiers = vec![
        json!("free"),
        json!("pro"),
        json!("gold"),
        json!(5),
        json!(true),
        json!(""),
        json!(["pro", "free"]),
        json!(["o1"]),
        json!([]),
    ];
    let some = |values: &[&'static str]| option::of(select(values.to_vec()));
    let fields =
        (some(&["u1", "u2"]), option::of(select(tiers)), some(&TEXTS), some(&["free pro", "blue"]));
    fields.prop_map(|(sub, tier, org, tags)| {
        let fields = [
            ("sub", sub.map(Value::from)),
            ("tier", tier),
            ("org", org.map(|id| json!({ "id": id }))),
            ("tags", tags.map(Value::from)),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.collect()
    })
}

fn headers() -> impl Strategy<Value = BTreeMap<String, OneOrMany>> {
    let header = |name: &'static str, values: &[&'static str]| {
        option::of(select(values.to_vec()))
            .prop_map(move |value| Some((name.to_owned(), OneOrMany::One(value?.to_owned()))))
    };
    let plan = header("x-plan", &["free", "pro", "5", "", "x"]);
    let cookies = header("cookie", &["x=pro", "y=5; x=free", "x=\"blue\"; x=1", "y"]);
    (plan, cookies).prop_map(|(plan, cookies)| plan.into_iter().chain(cookies).collect())
}
