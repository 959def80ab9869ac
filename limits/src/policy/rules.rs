//! The rules of a policy, and their checks.

use super::charges::{self, Buckets, RuleCharge};
use super::document::{self, MAX_ITEMS};
use super::keys::{Key, header_name};
use super::mistakes::Mistakes;
use crate::counter::is_bucket_name;
use crate::host::HostPattern;
use crate::pattern::Pattern;
use std::collections::BTreeMap;
use std::fmt::Display;

/// The requests that match, and the buckets they are charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name in logs.
    pub name: Option<String>,
    /// The requests that match.
    pub matching: Match,
    /// The buckets charged, and the costs; empty for an exemption.
    pub charge: Vec<RuleCharge>,
}

/// The conditions of a rule, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Patterns, one of which must match; `None` for any path.
    pub paths: Option<Vec<Pattern>>,
    /// Methods, one of which must match; `None` for any.
    pub methods: Option<Vec<String>>,
    /// Hosts, one of which must match; `None` for any.
    pub hosts: Option<Vec<HostPattern>>,
    /// Headers by lowercase name, all of which must match.
    pub headers: Vec<(String, HeaderMatch)>,
    /// A key that must have a value itself, rather than fall back on another key.
    pub has_key: Option<String>,
    /// True if a verified token is required, false if it must be absent; `None` for either.
    pub authenticated: Option<bool>,
}

/// A condition on a header. The values of a repeated header are joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMatch {
    /// Present, or absent.
    Present(bool),
    /// Exactly this value.
    Exact(String),
    /// A value with this prefix.
    Prefix(String),
}

/// The names that rules can refer to.
pub(super) struct Names<'a> {
    pub(super) keys: &'a BTreeMap<String, Key>,
    pub(super) all_keys: &'a BTreeMap<String, Option<document::Key>>,
    pub(super) buckets: Buckets<'a>,
}

/// Checks `documents` and returns their rules.
pub(super) fn checked(
    documents: &[Option<document::Rule>],
    names: &Names<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Rule> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rules = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let Some(document) = document else { continue };
        let place = format!("rules[{index}]");
        if let Some(name) = &document.name {
            rule_name(name, &place, mistakes);
            if let Some(before) = seen.insert(name, index) {
                mistakes.add(
                    format!("{place}.name"),
                    format!("rules[{before}] has the name {name:?} too"),
                );
            }
        }
        rules.push(Rule {
            name: document.name.clone(),
            matching: matching(&format!("{place}.match"), &document.matching, names, mistakes),
            charge: charges::checked(&place, &document.charge, names.buckets, mistakes),
        });
    }
    rules
}

fn rule_name(name: &str, place: &str, mistakes: &mut Mistakes) {
    if !is_bucket_name(name) || name == "none" {
        mistakes.add(
            format!("{place}.name"),
            format!(
                "expected a name of at most 64 letters, digits, _ or -, starting with a letter and not \"none\", found {name:?}"
            ),
        );
    }
}

fn matching(
    place: &str,
    document: &document::Match,
    names: &Names<'_>,
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
        headers: headers(&format!("{place}.headers"), &document.headers, mistakes),
        has_key: document.has_key.clone(),
        authenticated: document.authenticated,
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

fn headers(
    place: &str,
    documents: &BTreeMap<String, document::HeaderMatch>,
    mistakes: &mut Mistakes,
) -> Vec<(String, HeaderMatch)> {
    if documents.len() > MAX_ITEMS {
        mistakes.add(place, format!("expected at most {MAX_ITEMS}, found {}", documents.len()));
    }
    let mut headers = Vec::new();
    for (name, document) in documents {
        let place = format!("{place}.{name}");
        header_name(name, &place, mistakes);
        match header(document) {
            Some(matching) => headers.push((name.to_ascii_lowercase(), matching)),
            None => mistakes.add(place, "expected one of present, prefix"),
        }
    }
    headers
}

fn header(document: &document::HeaderMatch) -> Option<HeaderMatch> {
    let condition = match document {
        document::HeaderMatch::Exact(text) => return Some(HeaderMatch::Exact(text.clone())),
        document::HeaderMatch::Condition(condition) => condition,
    };
    match (condition.present, &condition.prefix) {
        (Some(wanted), None) => Some(HeaderMatch::Present(wanted)),
        (None, Some(prefix)) => Some(HeaderMatch::Prefix(prefix.clone())),
        _ => None,
    }
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
