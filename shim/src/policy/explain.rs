//! `tollgate policy explain`: shows the rule that matches a request, its charges, and the reasons.

use super::{check, reasons};
use crate::cli::TypedRequest;
use limits::explain::{Explained, Explanation, Request};
use limits::key::Part;
use limits::matched::Entry;
use limits::matching::Mismatch;
use limits::path::{BadPath, NormalPath};
use limits::plan::Subject;
use limits::policy::{Key, Match, OnFailure, Policy, Source, WhenFull};
use limits::quota::Quota;
use std::fmt::Write;
use std::path::Path;

/// Explains the charges of the request `typed` under the policy in `path`.
///
/// # Errors
/// Fails if the policy cannot be read or has a mistake.
pub(super) fn explain(path: &Path, typed: &TypedRequest) -> anyhow::Result<String> {
    let policy = check::read(path)?;
    let mut request = request(typed);
    let mut text = format!("{} {}\n", request.method, request.path);
    if let Some(resolved) = resolved_by_envoy(&request.path) {
        writeln!(text, "  as normalized by Envoy: {resolved}")?;
        request.path = resolved;
    }
    match policy.explain(&request) {
        Err(error) => {
            writeln!(text, "  answered with 400: {error}")?;
            if let Some(field) = accepting(error) {
                writeln!(
                    text,
                    "  no rule accepts this path in every way to read it (see `{field}`)"
                )?;
            }
        }
        Ok(explanation) => {
            let host = limits::host::normal(request.host.as_bytes());
            let path = explanation.path.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "  matched as path {path}, host {host:?}\n")?;
            rules(&mut text, &policy, &explanation)?;
            for charge in &explanation.charges {
                charged(&mut text, &policy, charge)?;
            }
        }
    }
    Ok(text)
}

/// Returns the field with which a policy can accept a path.
const fn accepting(error: BadPath) -> Option<&'static str> {
    match error {
        BadPath::EscapedSlash => Some("encoded_slash"),
        BadPath::BadEscape | BadPath::NotUtf8 => Some("undecodable"),
        _ => None,
    }
}

/// Normalizes a path that leads above the root, in the way that Envoy does before the filter runs
/// (`normalize_path`, on in `envoy/envoy.yaml`): it stays at the root, as in browsers. Returns `None`
/// for other paths.
///
/// The filter itself refuses a path above the root, so without this the explanation would be a 400.
fn resolved_by_envoy(raw: &str) -> Option<String> {
    if NormalPath::parse(raw.as_bytes()) != Err(BadPath::AboveRoot) {
        return None;
    }
    let (path, query) = raw.split_at(raw.find('?').unwrap_or(raw.len()));
    let mut segments = Vec::new();
    for segment in path.split(['/', '\\']).skip(1) {
        match segment.to_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    Some(format!("/{}{query}", segments.join("/")))
}

fn request(typed: &TypedRequest) -> Request {
    Request {
        method: typed.method.clone(),
        path: typed.path.clone(),
        client: Some(typed.client),
        ..typed.facts.request()
    }
}

fn rules(text: &mut String, policy: &Policy, explanation: &Explanation<'_>) -> std::fmt::Result {
    let matched = &explanation.matched;
    let mut base = matched.base.iter().copied().peekable();
    for (entry, mismatch) in &explanation.passed_over {
        while let Some(at) = base.next_if(|at| *entry > Entry::Rule(*at)) {
            adds(text, policy, at)?;
        }
        let (name, matching) = match *entry {
            Entry::Exempt(at) => (format!("exempt[{at}]"), policy.exempt.get(at)),
            Entry::Rule(at) => (shown(policy, at), policy.rules.get(at).map(|rule| &rule.matching)),
        };
        let why = matching.map_or_else(String::new, |matching| reason(mismatch, matching));
        writeln!(text, "{name} does not match: {why}")?;
    }
    base.try_for_each(|at| adds(text, policy, at))?;
    if let Some(error) = &explanation.failed {
        writeln!(text, "a condition failed, so on_error decided: {error}")?;
    }
    let by: String = explanation.alternatives.iter().map(|at| format!(".any[{at}]")).collect();
    let by = by.strip_prefix('.').map(|by| format!(" by {by}")).unwrap_or_default();
    match (matched.exempt, matched.rule) {
        (Some(at), _) => {
            writeln!(text, "exempt[{at}] matches{by}: the request is exempt and nothing is charged")
        }
        (_, None) if matched.base.is_empty() => {
            writeln!(text, "no rule matches: the request passes and nothing is charged")
        }
        (_, None) => writeln!(text, "no further rule matches; in all, the request is charged:"),
        (_, Some(at)) if explanation.charges.is_empty() => {
            let rule = shown(policy, at);
            writeln!(text, "{rule} matches{by}: the request is exempt and nothing is charged")
        }
        (_, Some(at)) if matched.base.is_empty() => {
            writeln!(text, "{} matches{by} and charges:", shown(policy, at))
        }
        (_, Some(at)) => {
            let buckets = buckets(policy, at);
            let rule = shown(policy, at);
            writeln!(
                text,
                "{rule} matches{by} and charges {buckets}; in all, the request is charged:"
            )
        }
    }
}

/// Writes the line of a matching rule with `continue`.
fn adds(text: &mut String, policy: &Policy, rule: usize) -> std::fmt::Result {
    let buckets = buckets(policy, rule);
    writeln!(text, "{} matches, charges {buckets} and continues", shown(policy, rule))
}

fn shown(policy: &Policy, rule: usize) -> String {
    let name = policy.rules.get(rule).and_then(|rule| rule.name.as_ref());
    name.map_or_else(|| format!("rule {rule}"), |name| format!("rule {rule} ({name})"))
}

/// Returns the names of a rule's buckets.
fn buckets(policy: &Policy, rule: usize) -> String {
    let charge = policy.rules.get(rule).map(|rule| rule.charge.as_slice()).unwrap_or_default();
    let names = charge.iter().filter_map(|charge| policy.buckets.get(charge.bucket));
    let names: Vec<_> = names.map(|bucket| bucket.name.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn reason(mismatch: &Mismatch, matching: &Match) -> String {
    match mismatch {
        Mismatch::Path => "none of its paths matches".to_owned(),
        Mismatch::Method => {
            format!("its methods are {}", matching.methods.clone().unwrap_or_default().join(", "))
        }
        Mismatch::Host => "none of its hosts matches".to_owned(),
        Mismatch::Client => "the client's address is in none of its networks".to_owned(),
        Mismatch::Value(of) => format!("{of} does not match"),
        Mismatch::Key(name) => format!("key {name} has no value"),
        Mismatch::Authenticated if matching.authenticated == Some(true) => {
            "the request has no verified token (no --claim)".to_owned()
        }
        Mismatch::Authenticated => "the request has a verified token".to_owned(),
        Mismatch::Any(reasons) => {
            let branches = matching.any.iter().flatten().zip(reasons).enumerate();
            let reasons: Vec<_> = branches
                .map(|(at, (branch, why))| format!("any[{at}]: {}", reason(why, branch)))
                .collect();
            format!("no alternative does ({})", reasons.join("; "))
        }
        Mismatch::When => "its CEL condition is not true".to_owned(),
        Mismatch::Not => "all conditions of its `not` hold".to_owned(),
    }
}

fn charged(text: &mut String, policy: &Policy, charge: &Explained<'_>) -> std::fmt::Result {
    let bucket = charge.bucket;
    let shadow = if bucket.enforce { "" } else { " (shadow: never denies)" };
    writeln!(text, "\n  bucket {}{shadow}", bucket.name)?;
    let mut line = |name: &str, value: String| writeln!(text, "    {name:<12}{value}");
    let (costs, limits): (Vec<_>, Vec<_>) =
        charge.reasons.iter().partition(|reason| reason.subject == Subject::Cost);
    line("limit", reasons::limit(charge.quota.as_ref()))?;
    for reason in limits {
        line("because", reasons::reason(reason))?;
    }
    if charge.cost != 1 || !costs.is_empty() {
        let effect = match charge.quota {
            _ if charge.cost == 0 => ": not charged",
            Some(quota) if charge.cost > quota.limit() => ": above the limit, so never admitted",
            _ => "",
        };
        line("cost", format!("{}{effect}", charge.cost))?;
    }
    for reason in costs {
        line("because", reasons::reason(reason))?;
    }
    let parts: Vec<_> = charge.payer.parts().iter().map(|part| paying(policy, part)).collect();
    line("key", parts.join(" and "))?;
    let fell_back = charge.payer.parts().first().filter(|part| part.key != bucket.key);
    if let Some(part) = fell_back.filter(|_| parts.len() == 1) {
        line("because", format!("key {} has no value, so {} pays", bucket.key, part.key))?;
    }
    line("counter", charge.counter.to_string())?;
    if let Some(block) = bucket.block {
        line("block", reasons::block(&block))?;
    }
    line("on failure", on_failure(bucket.on_failure).to_owned())?;
    if !bucket.refund.is_empty() {
        let outcomes: Vec<_> = bucket.refund.iter().map(ToString::to_string).collect();
        line("refunded on", outcomes.join(", "))?;
    }
    if let Some(refusal) = &bucket.refusal {
        line("refusal", refusal.describe())?;
    }
    if bucket.jitter_ms > 0 && matches!(charge.quota, Some(Quota::FixedWindow(_))) {
        line(
            "jitter",
            format!("refusals name a wait up to {} longer", reasons::length(bucket.jitter_ms)),
        )?;
    }
    if !bucket.visible {
        line("visible", "no: clients do not learn of it".to_owned())?;
    }
    Ok(())
}

fn paying(policy: &Policy, part: &Part<'_>) -> String {
    let value = match policy.keys.get(part.key) {
        Some(Key::One { source: Source::ClientIp { .. }, .. }) => part.network(),
        _ => None,
    };
    let value = value.unwrap_or_else(|| String::from_utf8_lossy(&part.value).into_owned());
    format!("{}={value}", part.key)
}

const fn on_failure(action: OnFailure) -> &'static str {
    match action {
        OnFailure::Allow => "allow: passes uncounted",
        OnFailure::Deny => "deny: answered with 503",
        OnFailure::Local(WhenFull::Deny) => "local: each Envoy counts separately",
        OnFailure::Local(WhenFull::Allow) => {
            "local: each Envoy counts separately, or not at all if its table is full"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, PolicyCommand};

    const POLICY: &str = r#"
version: 1
salt: test
keys:
  user: { jwt_claim: [org, sub], otherwise: client }
  client: { client_ip: { v4_prefix: 24 } }
  both: { all: [user, site] }
  site: { host: {} }
buckets:
  calls: { key: user, limit: 5, window: 1500ms }
  steady: { key: both, rate: 10, every: 1s, burst: 20, enforce: false }
  plan:
    key: client
    per: month
    time_zone: Europe/Berlin
    limit: { by: { route_metadata: [tollgate, plan] }, values: { gold: 7 }, otherwise: 1 }
    refund: [success, 404]
    on_failure: deny
    visible: false
    jitter: 30s
    refusal: { status: 403, body: { html: "<p>{detail}</p>" }, headers: { X-Plan: basic } }
  billed:
    key: client
    limit: 9
    per: month
    time_zone: { from: { header: x-zone }, otherwise: Europe/Berlin }
    anchor: { from: { header: x-day }, otherwise: 1 }
  weekly: { key: client, limit: 9, per: week, anchor: sunday }
rules:
  - { name: probes, match: { paths: [/health] }, charge: [] }
  - { match: { paths: ["/a/*"], methods: [GET, HEAD] }, charge: [plan] }
  - { match: { hosts: ["*.example.com"], headers: { x-mode: test } }, charge: [plan] }
  - { match: { has_key: user }, charge: [calls, steady] }
  - { match: { paths: [/b], authenticated: false }, charge: [calls, steady] }
  - { match: { paths: [/billed] }, charge: [billed, weekly] }
"#;

    const AMOUNTS: &str = r#"
version: 1
salt: test
keys: { client: { client_ip: {} } }
buckets:
  calls: { key: client, limit: 5, window: 1500ms }
  tiered:
    key: client
    limit: { from: { header: x-limit }, max: 100, otherwise: unlimited }
    window: 1m
    tiers:
      by: { jwt_claim: tier }
      values:
        pro: { rate: 5, every: 1s, burst: 20 }
        banned: { limit: 0, window: 1m }
rules:
  - name: priced
    charge:
      - { bucket: calls, cost: 3 }
      - bucket: tiered
        cost: { from: { header: x-cost }, min: 0, max: 50, divide_by: 1000, otherwise: 1 }
"#;

    fn explained(args: &str) -> String {
        explained_by(POLICY, args)
    }

    fn explained_by(policy: &str, args: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.yaml");
        std::fs::write(&file, policy).unwrap();
        let words = ["tollgate", "policy", "explain", "FILE"].into_iter().chain(args.split(' '));
        let words = words.filter(|word| !word.is_empty()).map(Into::into);
        match Cli::read(words).unwrap().command {
            Command::Policy(PolicyCommand::Explain { request, .. }) => {
                explain(&file, &request).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_matching_rule_and_its_charges_are_explained() {
        insta::assert_snapshot!(explained("--method POST --path /a/b --claim org.sub=42 --host A.example:80"), @r#"
POST /a/b
  matched as path /a/b, host "a.example"

rule 0 (probes) does not match: none of its paths matches
rule 1 does not match: its methods are GET, HEAD
rule 2 does not match: none of its hosts matches
rule 3 matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    key         user=42
    counter     tg:{4818c9786b26fe92e342c751b7393385}:calls
    on failure  local: each Envoy counts separately

  bucket steady (shadow: never denies)
    limit       20 at once, 10 more every 1 s
    key         user=42 and site=a.example
    counter     tg:{0841f94caa76d65a73423dfe53564151}:steady
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(explained("--path /b --client 192.0.2.7"), @r#"
GET /b
  matched as path /b, host "localhost"

rule 0 (probes) does not match: none of its paths matches
rule 1 does not match: none of its paths matches
rule 2 does not match: none of its hosts matches
rule 3 does not match: key user has no value
rule 4 matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    key         client=192.0.2.0/24
    because     key user has no value, so client pays
    counter     tg:{74c85ef2c83ba7d7a14354dce84d54e5}:calls
    on failure  local: each Envoy counts separately

  bucket steady (shadow: never denies)
    limit       20 at once, 10 more every 1 s
    key         client=192.0.2.0/24 and site=localhost
    counter     tg:{00d8fad2c652c9c6a1afbe2fe26b598b}:steady
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(explained("--path /a/b/../%62?x=1 --metadata tollgate.plan=gold"), @r#"
GET /a/b/../%62?x=1
  matched as path /a/b, host "localhost"

rule 0 (probes) does not match: none of its paths matches
rule 1 matches and charges:

  bucket plan
    limit       7 per calendar month (Europe/Berlin)
    because     route metadata tollgate.plan is "gold"
    key         client=127.0.0.0/24
    counter     tg:{72c4bd50548fddea6edcfdb12b336ba4}:plan
    on failure  deny: answered with 503
    refunded on success, 404
    refusal     403, body html, headers x-plan
    jitter      refusals name a wait up to 30 s longer
    visible     no: clients do not learn of it
"#);
        insta::assert_snapshot!(explained("--path /a/b --metadata tollgate.plan=tin --client 2001:db8::7"), @r#"
GET /a/b
  matched as path /a/b, host "localhost"

rule 0 (probes) does not match: none of its paths matches
rule 1 matches and charges:

  bucket plan
    limit       1 per calendar month (Europe/Berlin)
    because     route metadata tollgate.plan is "tin", which is not listed
    key         client=2001:db8::/64
    counter     tg:{c241b339558b8ea84544a7eaeb6a6da2}:plan
    on failure  deny: answered with 503
    refunded on success, 404
    refusal     403, body html, headers x-plan
    jitter      refusals name a wait up to 30 s longer
    visible     no: clients do not learn of it
"#);
    }

    #[test]
    fn facts_are_typed_as_the_gateway_sees_them() {
        let policy = r#"
version: 1
salt: test
keys: { client: { client_ip: {} } }
buckets: { calls: { key: client, limit: 5, window: 1m } }
rules:
  - { match: { headers: { x-mode: "a,b" } }, charge: [calls] }
  - { match: { when: "claims.level >= 3 && claims.staff" }, charge: [calls] }
  - { match: { claims: { /org.id: "7" } }, charge: [calls] }
  - { match: { claims: { /org/id: "7" } }, charge: [calls] }
"#;
        for (args, rule) in [
            ("--header x-mode=a --header X-Mode=b", "rule 0 matches"),
            ("--claim level:=3 --claim staff:=true", "rule 1 matches"),
            ("--claim /org.id=7", "rule 2 matches"),
            ("--claim org.id=7", "rule 3 matches"),
            ("--claim level=3 --claim staff:=true", "no rule matches"),
        ] {
            let text = explained_by(policy, &format!("--path / {args}"));
            assert!(text.contains(rule), "{args}: {text}");
        }
    }

    #[test]
    fn costs_that_add_up_to_more_than_the_limit_are_explained() {
        let policy = r#"
version: 1
salt: test
keys: { client: { client_ip: {} } }
buckets: { calls: { key: client, limit: 8, window: 1m } }
rules:
  - { charge: [{ bucket: calls, cost: 5 }], continue: true }
  - { charge: [{ bucket: calls, cost: 4 }] }
"#;
        let text = explained_by(policy, "--path /");
        assert!(text.contains("cost        9: above the limit, so never admitted"), "{text}");
    }

    #[test]
    fn a_block_is_explained() {
        let policy = r#"
version: 1
salt: test
keys: { client: { client_ip: {} } }
buckets:
  login:
    key: client
    limit: 5
    window: 1m
    block: { after: 20, within: 10m, for: 1h }
rules: [{ charge: [login] }]
"#;
        let text = explained_by(policy, "--path /");
        assert!(text.contains("block       after 20 refusals within 600 s, for 3600 s"), "{text}");
    }

    #[test]
    fn costs_tiers_and_limits_of_the_request_are_explained() {
        let priced = |args: &str| explained_by(AMOUNTS, &format!("--path /priced {args}"));
        insta::assert_snapshot!(priced("--claim tier=pro --header x-cost=2500"), @r#"
GET /priced
  matched as path /priced, host "localhost"

rule 0 (priced) matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    cost        3
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:calls
    on failure  local: each Envoy counts separately

  bucket tiered
    limit       20 at once, 5 more every 1 s
    because     claim tier is "pro"
    cost        3
    because     header x-cost is 2500, which makes 3
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:tiered~tokens
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(priced("--claim tier=banned --header x-cost=much"), @r#"
GET /priced
  matched as path /priced, host "localhost"

rule 0 (priced) matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    cost        3
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:calls
    on failure  local: each Envoy counts separately

  bucket tiered
    limit       0: refuses every request
    because     claim tier is "banned"
    cost        1
    because     header x-cost is "much", which is not a number
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:tiered
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(priced("--header x-limit=500 --header x-cost=0"), @r#"
GET /priced
  matched as path /priced, host "localhost"

rule 0 (priced) matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    cost        3
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:calls
    on failure  local: each Envoy counts separately

  bucket tiered
    limit       100 in any 60 s
    because     the request has no claim tier
    because     header x-limit is 500, which makes 100
    cost        0: not charged
    because     header x-cost is 0
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:tiered
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(priced("--claim tier=free"), @r#"
GET /priced
  matched as path /priced, host "localhost"

rule 0 (priced) matches and charges:

  bucket calls
    limit       5 in any 1500 ms
    cost        3
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:calls
    on failure  local: each Envoy counts separately

  bucket tiered
    limit       unlimited, counted in any 60 s
    because     claim tier is "free", which is not listed
    because     the request has no header x-limit
    cost        1
    because     the request has no header x-cost
    key         client=127.0.0.1/32
    counter     tg:{ecf8ffee63be15f9a5a2ea2d48d8d6d1}:tiered
    on failure  local: each Envoy counts separately
"#);
    }

    #[test]
    fn the_reasons_of_nested_conditions_are_explained() {
        let explained = |args| {
            explained_by(
                r#"
version: 1
networks: { office: [10.0.0.0/8] }
keys: { client: { client_ip: {} }, app: { header: x-app, otherwise: client } }
buckets: { calls: { key: client, limit: 5, window: 1s } }
rules:
  - { match: { client: [office] }, charge: [] }
  - { match: { claims: { /realm/roles: admin } }, charge: [] }
  - { match: { keys: { app: [a, b] } }, charge: [] }
  - { match: { not: { methods: [GET] } }, charge: [] }
  - match:
      any:
        - { headers: { x-a: { at_least: 5 } } }
        - { any: [{ paths: [/a] }, { paths: [/b] }], not: { authenticated: true } }
    charge: []
"#,
                args,
            )
        };
        insta::assert_snapshot!(explained("--path /x"), @r#"
GET /x
  matched as path /x, host "localhost"

rule 0 does not match: the client's address is in none of its networks
rule 1 does not match: claim realm.roles does not match
rule 2 does not match: key app does not match
rule 3 does not match: all conditions of its `not` hold
rule 4 does not match: no alternative does (any[0]: header x-a does not match; any[1]: no alternative does (any[0]: none of its paths matches; any[1]: none of its paths matches))
no rule matches: the request passes and nothing is charged
"#);
        insta::assert_snapshot!(explained("--path /b"), @r#"
GET /b
  matched as path /b, host "localhost"

rule 0 does not match: the client's address is in none of its networks
rule 1 does not match: claim realm.roles does not match
rule 2 does not match: key app does not match
rule 3 does not match: all conditions of its `not` hold
rule 4 matches by any[1].any[1]: the request is exempt and nothing is charged
"#);
        insta::assert_snapshot!(explained("--path /b --client 10.1.2.3"), @r#"
GET /b
  matched as path /b, host "localhost"

rule 0 matches: the request is exempt and nothing is charged
"#);
    }

    #[test]
    fn a_calendar_taken_from_the_request_is_explained() {
        let because = |args: &str| {
            let text = explained(args);
            let lines =
                text.lines().filter(|line| line.contains("limit  ") || line.contains("because"));
            lines.map(|line| format!("{}\n", line.trim())).collect::<String>()
        };
        insta::assert_snapshot!(because("--path /billed --header x-zone=asia/tokyo --header x-day=31"), @r#"
limit       9 per calendar month from day 31 (Asia/Tokyo)
because     header x-zone is "asia/tokyo"
because     header x-day is "31"
limit       9 per calendar week from sunday (UTC)
"#);
        insta::assert_snapshot!(because("--path /billed --header x-zone=Mars"), @r#"
limit       9 per calendar month (Europe/Berlin)
because     header x-zone is "Mars", which is not a time zone
because     the request has no header x-day
limit       9 per calendar week from sunday (UTC)
"#);
    }

    #[test]
    fn an_item_of_a_list_selects_the_limit() {
        let because = |metadata: &str| {
            let text = explained(&format!("--path /a/b --metadata tollgate.plan={metadata}"));
            text.lines().find(|line| line.contains("because")).unwrap().trim().to_owned()
        };
        insta::assert_snapshot!(because(r#"["tin","gold"]"#), @r#"because     route metadata tollgate.plan is the list gold,tin; "gold" has the largest limit"#);
        insta::assert_snapshot!(because(r#"["tin",1]"#), @"because     route metadata tollgate.plan is the list 1,tin, and no item is listed");
    }

    #[test]
    fn a_request_that_is_charged_nothing_is_explained_too() {
        insta::assert_snapshot!(explained("--path /health"), @r#"
GET /health
  matched as path /health, host "localhost"

rule 0 (probes) matches: the request is exempt and nothing is charged
"#);
        insta::assert_snapshot!(explained("--path /c --host www.example.com --header x-mode=prod"), @r#"
GET /c
  matched as path /c, host "www.example.com"

rule 0 (probes) does not match: none of its paths matches
rule 1 does not match: none of its paths matches
rule 2 does not match: header x-mode does not match
rule 3 does not match: key user has no value
rule 4 does not match: none of its paths matches
rule 5 does not match: none of its paths matches
no rule matches: the request passes and nothing is charged
"#);
        insta::assert_snapshot!(explained("--path /../x/%2e%2E/../health?x=/.."), @r#"
GET /../x/%2e%2E/../health?x=/..
  as normalized by Envoy: /health?x=/..
  matched as path /health, host "localhost"

rule 0 (probes) matches: the request is exempt and nothing is charged
"#);
        insta::assert_snapshot!(explained("--path /a%2fb"), @r"
GET /a%2fb
  answered with 400: the path has an escaped slash or backslash
  no rule accepts this path in every way to read it (see `encoded_slash`)
");
    }

    #[test]
    fn rules_that_add_up_are_explained() {
        let policy = r#"
version: 1
keys: { client: { client_ip: {} } }
buckets:
  all: { key: client, limit: 100, window: 1m }
  writes: { key: client, limit: 10, window: 1m }
exempt: [{ methods: [OPTIONS] }, { paths: [/health] }]
rules:
  - { name: posts, match: { methods: [POST] }, charge: [writes], continue: true }
  - { name: base, charge: [all], continue: true }
  - { name: search, match: { paths: [/search] }, charge: [all] }
  - { match: { paths: [/free] }, charge: [] }
"#;
        insta::assert_snapshot!(explained_by(policy, "--method POST --path /search"), @r#"
POST /search
  matched as path /search, host "localhost"

exempt[0] does not match: its methods are OPTIONS
exempt[1] does not match: none of its paths matches
rule 0 (posts) matches, charges writes and continues
rule 1 (base) matches, charges all and continues
rule 2 (search) matches and charges all; in all, the request is charged:

  bucket writes
    limit       10 in any 60 s
    key         client=127.0.0.1/32
    counter     tg:{9c2c79a24a4c50206f7d43b912128349}:writes
    on failure  local: each Envoy counts separately

  bucket all
    limit       100 in any 60 s
    cost        2
    key         client=127.0.0.1/32
    counter     tg:{9c2c79a24a4c50206f7d43b912128349}:all
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(explained_by(policy, "--path /x"), @r#"
GET /x
  matched as path /x, host "localhost"

exempt[0] does not match: its methods are OPTIONS
exempt[1] does not match: none of its paths matches
rule 0 (posts) does not match: its methods are POST
rule 1 (base) matches, charges all and continues
rule 2 (search) does not match: none of its paths matches
rule 3 does not match: none of its paths matches
no further rule matches; in all, the request is charged:

  bucket all
    limit       100 in any 60 s
    key         client=127.0.0.1/32
    counter     tg:{9c2c79a24a4c50206f7d43b912128349}:all
    on failure  local: each Envoy counts separately
"#);
        insta::assert_snapshot!(explained_by(policy, "--path /health"), @r#"
GET /health
  matched as path /health, host "localhost"

exempt[0] does not match: its methods are OPTIONS
exempt[1] matches: the request is exempt and nothing is charged
"#);
    }
}
