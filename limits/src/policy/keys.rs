//! The keys of a policy, and their checks.

use super::document;
use super::mistakes::Mistakes;
use super::sources::{self, Source, name};
use std::collections::BTreeMap;

/// The most keys in a combination.
const MAX_PARTS: usize = 8;

/// A kind of payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// One value of the request.
    One {
        /// The source of the value.
        source: Source,
        /// The key to fall back on if the source has no value. Set for every source that can be
        /// absent.
        otherwise: Option<String>,
        /// True if logs show the value.
        is_logged: bool,
    },
    /// A combination of keys. None of them is a combination or falls back on one.
    All(Vec<String>),
}

impl Key {
    /// Returns the key that pays if this one has no value.
    #[must_use]
    pub(super) fn otherwise(&self) -> Option<&str> {
        match self {
            Self::One { otherwise, .. } => otherwise.as_deref(),
            Self::All(_) => None,
        }
    }
}

/// Checks `documents` and returns their keys. A document that could not be parsed is `None`, but
/// its name counts as defined.
pub(super) fn checked(
    documents: &BTreeMap<String, Option<document::Key>>,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Key> {
    let mut keys = BTreeMap::new();
    for (name, document) in documents {
        let place = format!("keys.{name}");
        let key = document.as_ref().and_then(|document| key(document, &place, mistakes));
        keys.extend(key.map(|key| (name.clone(), key)));
    }
    for (name, key) in &keys {
        let place = format!("keys.{name}");
        match key {
            Key::One { source, otherwise, .. } => {
                let present = source.is_always_present();
                fallback(name, present, otherwise.as_deref(), (&keys, documents), mistakes);
            }
            Key::All(parts) => combination(&place, parts, (&keys, documents), mistakes),
        }
    }
    keys
}

fn key(document: &document::Key, place: &str, mistakes: &mut Mistakes) -> Option<Key> {
    let client_ip = document.client_ip.as_ref().map(|ip| Source::ClientIp {
        v4_prefix: u8::try_from(ip.0.v4_prefix.get()).unwrap_or(32),
        v6_prefix: u8::try_from(ip.0.v6_prefix.get()).unwrap_or(128),
    });
    let constant = document.constant.as_ref().map(|text| {
        name(text, &format!("{place}.constant"), mistakes);
        Source::Constant(text.clone())
    });
    let mut sources = sources::named(&document.source(), place, mistakes)?;
    sources.extend(client_ip.into_iter().chain(constant));
    let otherwise = document.otherwise.clone();
    let count = sources.len() + usize::from(document.all.is_some());
    let mut sources = sources.into_iter();
    match (sources.next(), sources.next(), &document.all) {
        (Some(source), None, None) => {
            Some(Key::One { source, otherwise, is_logged: document.log_key })
        }
        (None, None, Some(parts)) => {
            if otherwise.is_some() {
                mistakes.add(
                    format!("{place}.otherwise"),
                    "a combination is never absent, because its keys have their own fallbacks: remove this",
                );
            }
            if document.log_key {
                mistakes.add(
                    format!("{place}.log_key"),
                    "a combination has no value of its own: set this on the keys in `all`",
                );
            }
            Some(Key::All(parts.clone()))
        }
        _ => {
            mistakes.add(
                place,
                format!("expected one of jwt_claim, client_ip, header, query, cookie, host, path, method, route_name, route_metadata, metadata, constant, all; found {count} of them"),
            );
            None
        }
    }
}

/// The valid keys, and the names of all.
type Keys<'a> = (&'a BTreeMap<String, Key>, &'a BTreeMap<String, Option<document::Key>>);

/// Checks a key's fallback. A key that can be absent needs one, or clients could avoid paying by
/// leaving it out.
fn fallback(
    name: &str,
    is_always_present: bool,
    otherwise: Option<&str>,
    (keys, all): Keys<'_>,
    mistakes: &mut Mistakes,
) {
    let place = format!("keys.{name}.otherwise");
    match otherwise {
        None if is_always_present => {}
        None => mistakes.add(
            format!("keys.{name}"),
            "can be absent from a request: add `otherwise: <key>`, the key that pays in that case",
        ),
        Some(_) if is_always_present => {
            mistakes.add(place, "this key is never absent: remove this");
        }
        Some(next) if !all.contains_key(next) => {
            mistakes.unknown(place, "key", next, all.keys());
        }
        Some(_) if is_circular(name, keys) => {
            mistakes.add(place, "leads back to this key: end it with a client_ip key");
        }
        Some(_) => {}
    }
}

/// Returns true if the chain of fallbacks never ends. A chain longer than the number of keys
/// repeats one of them.
fn is_circular(name: &str, keys: &BTreeMap<String, Key>) -> bool {
    chain(name, keys).nth(keys.len()).is_some_and(|last| keys.contains_key(last))
}

/// Returns the key called `name`, then its fallbacks in order. Yields at most one more than there
/// are keys.
pub(super) fn chain<'a>(
    name: &'a str,
    keys: &'a BTreeMap<String, Key>,
) -> impl Iterator<Item = &'a str> {
    let next = |name: &&'a str| keys.get(*name).and_then(Key::otherwise);
    std::iter::successors(Some(name), next).take(keys.len() + 1)
}

fn combination(place: &str, parts: &[String], (keys, all): Keys<'_>, mistakes: &mut Mistakes) {
    let place = format!("{place}.all");
    if !(2..=MAX_PARTS).contains(&parts.len()) {
        mistakes.add(&place, format!("expected 2 to {MAX_PARTS} keys, found {}", parts.len()));
    }
    for (index, part) in parts.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let is_all = |name: &str| matches!(keys.get(name), Some(Key::All(_)));
        if parts.iter().take(index).any(|before| before == part) {
            mistakes.add(place, format!("{part:?} is listed twice"));
        } else if !all.contains_key(part) {
            mistakes.unknown(place, "key", part, all.keys());
        } else if chain(part, keys).any(is_all) {
            mistakes.add(
                place,
                format!("{part:?} is or falls back on a combination: list its keys instead"),
            );
        }
    }
}
