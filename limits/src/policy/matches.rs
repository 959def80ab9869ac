//! The conditions of a rule, and their checks.

use super::conditions;
use super::document::{self, MAX_ITEMS, Mapping};
use super::keys::Key;
use super::mistakes::Mistakes;
use super::networks;
use super::sources::{Source, cookie_name, header_name, name, path};
use super::when::{self, WhenMatch};
use crate::condition::Condition;
use crate::host::HostPattern;
use crate::networks::Networks;
use crate::pattern::Pattern;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::Arc;

/// The deepest nesting of `any` and `not`.
const MAX_DEPTH: usize = 8;
/// The most alternatives of one `any`.
const MAX_ALTERNATIVES: usize = 100;

/// The conditions of a rule, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Patterns, one of which must match; `None` for any path.
    pub paths: Option<Vec<Pattern>>,
    /// Methods, one of which must match; `None` for any.
    pub methods: Option<Vec<String>>,
    /// Hosts, one of which must match; `None` for any.
    pub hosts: Option<Vec<HostPattern>>,
    /// Sets of networks, one of which must contain the client's address; `None` for any address.
    pub client: Option<Vec<Arc<Networks>>>,
    /// Conditions on values, all of which must hold.
    pub values: Vec<ValueMatch>,
    /// A key that must have a value itself, rather than fall back on another key.
    pub has_key: Option<String>,
    /// True if a verified token is required, false if it must be absent; `None` for either.
    pub authenticated: Option<bool>,
    /// A condition in CEL that must be true.
    pub when: Option<WhenMatch>,
    /// Alternatives, one of which must match; `None` if the rule has no `any`.
    pub any: Option<Vec<Self>>,
    /// Conditions that must not all hold.
    pub not: Option<Box<Self>>,
}

/// A condition on a value of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueMatch {
    /// The value.
    pub of: Subject,
    /// The condition.
    pub is: Condition,
}

/// A value that a rule can have a condition on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A header, by its lowercase name.
    Header(String),
    /// The first parameter of the query with this name, decoded.
    Query(String),
    /// The first cookie of this name.
    Cookie(String),
    /// A claim of the verified token, by its path.
    Claim(Vec<String>),
    /// A key's own value, without its fallbacks.
    Key(String),
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Claim(names) => write!(f, "claim {}", names.join(".")),
            Self::Key(name) => write!(f, "key {name}"),
        }
    }
}

/// The names that conditions can refer to.
pub(super) struct Names<'a> {
    pub(super) keys: &'a BTreeMap<String, Key>,
    pub(super) all_keys: &'a BTreeMap<String, Option<document::Key>>,
    pub(super) networks: &'a networks::Named,
}

/// Checks the conditions at `place` and returns them.
pub(super) fn checked(
    place: &str,
    document: &document::Match,
    names: &Names<'_>,
    mistakes: &mut Mistakes,
) -> Match {
    matching(place, document, names, 0, mistakes)
}

fn matching(
    place: &str,
    document: &document::Match,
    names: &Names<'_>,
    depth: usize,
    mistakes: &mut Mistakes,
) -> Match {
    let mut list = |field: &str, what: &str, texts: &Option<Vec<String>>| {
        if texts.as_ref().is_some_and(|texts| texts.is_empty() || texts.len() > MAX_ITEMS) {
            mistakes.add(
                format!("{place}.{field}"),
                format!("expected 1 to {MAX_ITEMS} items: omit the field to match any {what}"),
            );
        }
    };
    list("paths", "path", &document.paths);
    list("methods", "method", &document.methods);
    list("hosts", "host", &document.hosts);
    if let Some(key) = &document.has_key {
        has_key(&format!("{place}.has_key"), key, names, mistakes);
    }
    Match {
        paths: parsed(&format!("{place}.paths"), document.paths.as_ref(), Pattern::parse, mistakes),
        methods: parsed(&format!("{place}.methods"), document.methods.as_ref(), method, mistakes),
        hosts: parsed(
            &format!("{place}.hosts"),
            document.hosts.as_ref(),
            HostPattern::parse,
            mistakes,
        ),
        client: document.client.as_ref().map(|texts| {
            networks::listed(&format!("{place}.client"), texts, names.networks, mistakes)
        }),
        values: values(place, document, names, mistakes),
        has_key: document.has_key.clone(),
        authenticated: document.authenticated,
        when: when::checked(place, document, mistakes),
        any: document.any.as_ref().map(|all| any(place, all, names, depth, mistakes)),
        not: document.not.as_ref().map(|not| {
            let place = format!("{place}.not");
            if document::Match::is_empty(not) {
                mistakes.add(&place, "never matches, because {} matches any request: remove this");
            }
            Box::new(nested(&place, not, names, depth, mistakes))
        }),
    }
}

fn parsed<T, E: Display>(
    place: &str,
    texts: Option<&Vec<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
    mistakes: &mut Mistakes,
) -> Option<Vec<T>> {
    let mut found = Vec::new();
    for (index, text) in texts?.iter().enumerate() {
        match parse(text) {
            Ok(one) => found.push(one),
            Err(error) => {
                mistakes.add(format!("{place}[{index}]"), format!("{error}, found {text:?}"))
            }
        }
    }
    Some(found)
}

fn method(name: &str) -> Result<String, &'static str> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        Ok(name.to_owned())
    } else {
        Err("expected a method in uppercase, such as POST")
    }
}

/// Checks the alternatives of `any`.
fn any(
    place: &str,
    documents: &[Mapping<document::Match>],
    names: &Names<'_>,
    depth: usize,
    mistakes: &mut Mistakes,
) -> Vec<Match> {
    let place = format!("{place}.any");
    if !(1..=MAX_ALTERNATIVES).contains(&documents.len()) {
        mistakes.add(
            &place,
            format!("expected 1 to {MAX_ALTERNATIVES} alternatives, found {}", documents.len()),
        );
    }
    let documents = documents.iter().take(MAX_ALTERNATIVES).enumerate();
    documents
        .map(|(at, document)| {
            let place = format!("{place}[{at}]");
            if document::Match::is_empty(document) {
                mistakes.add(&place, "matches any request, so `any` always does: remove this");
            }
            nested(&place, document, names, depth, mistakes)
        })
        .collect()
}

fn nested(
    place: &str,
    document: &document::Match,
    names: &Names<'_>,
    depth: usize,
    mistakes: &mut Mistakes,
) -> Match {
    if depth == MAX_DEPTH {
        mistakes.add(place, format!("expected any and not nested at most {MAX_DEPTH} deep"));
        return Match::default();
    }
    matching(place, document, names, depth + 1, mistakes)
}

/// Checks the conditions on values.
fn values(
    place: &str,
    document: &document::Match,
    names: &Names<'_>,
    mistakes: &mut Mistakes,
) -> Vec<ValueMatch> {
    let fields: [(&str, &BTreeMap<String, document::Condition>, Check); 5] = [
        ("headers", &document.headers, header),
        ("query", &document.query, |parameter, place, _, mistakes| {
            name(parameter, place, mistakes);
            Subject::Query(parameter.to_owned())
        }),
        ("cookies", &document.cookies, |cookie, place, _, mistakes| {
            cookie_name(cookie, place, mistakes);
            Subject::Cookie(cookie.to_owned())
        }),
        ("claims", &document.claims, claim),
        ("keys", &document.keys, key),
    ];
    let mut values = Vec::new();
    for (field, documents, check) in fields {
        let place = format!("{place}.{field}");
        if documents.len() > MAX_ITEMS {
            mistakes
                .add(&place, format!("expected at most {MAX_ITEMS}, found {}", documents.len()));
        }
        for (name, condition) in documents.iter().take(MAX_ITEMS) {
            let place = format!("{place}.{name}");
            let of = check(name, &place, names, mistakes);
            let is_claim = matches!(of, Subject::Claim(_));
            let is = conditions::checked(condition, is_claim, &place, mistakes);
            values.extend(is.map(|is| ValueMatch { of, is }));
        }
    }
    values
}

/// Checks a name at a place, and returns what it stands for.
type Check = fn(&str, &str, &Names<'_>, &mut Mistakes) -> Subject;

fn header(name: &str, place: &str, _: &Names<'_>, mistakes: &mut Mistakes) -> Subject {
    header_name(name, place, mistakes);
    Subject::Header(name.to_ascii_lowercase())
}

fn claim(name: &str, place: &str, _: &Names<'_>, mistakes: &mut Mistakes) -> Subject {
    let names = conditions::claim_path(name);
    path(&names, 1, place, mistakes);
    // Many claims are named by a URI, which is never meant as a path.
    if name.contains('.') && !name.contains(['/', ':']) {
        let path = name.replace('.', "/");
        mistakes.add(
            place,
            format!("a dot does not lead to a nested claim: write /{path} for one, or /{name} for a claim with a dot in its name"),
        );
    }
    Subject::Claim(names)
}

/// Checks a key whose own value a rule compares. Addresses are compared as networks.
fn key(name: &str, place: &str, names: &Names<'_>, mistakes: &mut Mistakes) -> Subject {
    match names.keys.get(name) {
        Some(Key::One { source: Source::ClientIp { .. }, .. }) => {
            mistakes.add(place, "is a client address: use `client` with networks");
        }
        Some(Key::All(_)) => mistakes.add(place, "is a combination: list its keys instead"),
        None if !names.all_keys.contains_key(name) => {
            mistakes.unknown(place, "key", name, names.all_keys.keys());
        }
        _ => {}
    }
    Subject::Key(name.to_owned())
}

fn has_key(place: &str, name: &str, names: &Names<'_>, mistakes: &mut Mistakes) {
    if !names.all_keys.contains_key(name) {
        mistakes.unknown(place, "key", name, names.all_keys.keys());
    } else if let Some(Key::One { source, .. }) = names.keys.get(name)
        && source.is_always_present()
    {
        mistakes.add(place, format!("every request has {name:?}: remove this"));
    }
}
