//! The keys of a policy, and their checks.

use super::document;
use super::mistakes::Mistakes;
use std::collections::BTreeMap;

/// The longest path to a claim or metadata field.
const MAX_PATH: usize = 8;
/// The most keys in a combination.
const MAX_PARTS: usize = 8;
/// The longest name of a claim, header or metadata field, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 256;

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
    },
    /// A combination of keys. None of them is a combination or falls back on one.
    All(Vec<String>),
}

/// The source of a value that distinguishes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A claim of the verified token, by its path.
    JwtClaim(Vec<String>),
    /// The client's address, cut to a network.
    ClientIp {
        /// The number of leading bits of an IPv4 address that count.
        v4_prefix: u8,
        /// The number of leading bits of an IPv6 address that count.
        v6_prefix: u8,
    },
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    Header(String),
    /// The requested host. It can be any host, unless Envoy's virtual hosts restrict it.
    Host,
    /// The name of Envoy's route.
    RouteName,
    /// The metadata of Envoy's route: the namespace, then the path within it.
    RouteMetadata(Vec<String>),
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

impl Source {
    /// Returns true if every request has a value from this source.
    pub(super) const fn is_always_present(&self) -> bool {
        matches!(self, Self::ClientIp { .. } | Self::Host)
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
            Key::One { source, otherwise } => {
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
    let mut sources = sources(&document.request(), place, mistakes)?;
    sources.extend(client_ip);
    let otherwise = document.otherwise.clone();
    let mut sources = sources.into_iter();
    match (sources.next(), sources.next(), &document.all) {
        (Some(source), None, None) => Some(Key::One { source, otherwise }),
        (None, None, Some(parts)) => {
            if otherwise.is_some() {
                mistakes.add(
                    format!("{place}.otherwise"),
                    "a combination is never absent, because its keys have their own fallbacks: remove this",
                );
            }
            Some(Key::All(parts.clone()))
        }
        _ => {
            mistakes.add(
                place,
                "expected one of jwt_claim, client_ip, header, host, route_name, route_metadata, all",
            );
            None
        }
    }
}

/// Returns the request sources that `document` names; `None` if one of them is invalid.
pub(super) fn sources(
    document: &document::RequestSource<'_>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Vec<Source>> {
    let before = mistakes.len();
    let claim = document.jwt_claim.map(|claim| {
        path(&claim.names(), 1, &format!("{place}.jwt_claim"), mistakes);
        Source::JwtClaim(claim.names())
    });
    let header = document.header.map(|name| {
        header_name(name, &format!("{place}.header"), mistakes);
        Source::Header(name.to_ascii_lowercase())
    });
    let metadata = document.route_metadata.map(|names| {
        path(names, 2, &format!("{place}.route_metadata"), mistakes);
        Source::RouteMetadata(names.clone())
    });
    let host = document.host.map(|_| Source::Host);
    let route_name = document.route_name.map(|_| Source::RouteName);
    let found = [claim, header, host, route_name, metadata].into_iter().flatten().collect();
    (mistakes.len() == before).then_some(found)
}

/// Returns the one source that `document` names.
pub(super) fn source(
    document: &document::Source,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let sources = sources(&document.request(), place, mistakes)?;
    let Ok([source]) = <[Source; 1]>::try_from(sources) else {
        mistakes.add(place, "expected one of jwt_claim, header, host, route_name, route_metadata");
        return None;
    };
    Some(source)
}

pub(super) fn path(names: &[String], least: usize, place: &str, mistakes: &mut Mistakes) {
    let is_good = |name: &String| !name.is_empty() && name.len() <= MAX_NAME_BYTES;
    if !(least..=MAX_PATH).contains(&names.len()) || !names.iter().all(is_good) {
        mistakes.add(
            place,
            format!(
                "expected {least} to {MAX_PATH} names of 1 to {MAX_NAME_BYTES} bytes, found {}",
                serde_json::json!(names)
            ),
        );
    }
}

pub(super) fn header_name(name: &str, place: &str, mistakes: &mut Mistakes) {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.starts_with(':') {
        mistakes.add(
            place,
            format!("expected a header name, found {name:?}: use `host`, `paths` or `methods`"),
        );
    } else if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_token) {
        mistakes.add(place, format!("expected a header name, such as x-api-key, found {name:?}"));
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
