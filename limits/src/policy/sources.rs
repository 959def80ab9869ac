//! The sources of a request's values, and their checks. Keys, limits and costs share them.

use super::document;
use super::mistakes::Mistakes;

/// The longest path to a claim or metadata field.
const MAX_PATH: usize = 8;
/// The longest name of a claim, header, parameter, cookie or metadata field, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The source of a value that distinguishes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A claim of the verified token, by its path.
    JwtClaim(Vec<String>),
    /// The client's address, cut to a network. Only for keys.
    ClientIp {
        /// The number of leading bits of an IPv4 address that count.
        v4_prefix: u8,
        /// The number of leading bits of an IPv6 address that count.
        v6_prefix: u8,
    },
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    Header(String),
    /// A parameter of the query. Clients can set it to anything.
    Query(String),
    /// A cookie. Clients can set it to anything.
    Cookie(String),
    /// The requested host. It can be any host, unless Envoy's virtual hosts restrict it.
    Host,
    /// The path in its normal form.
    Path,
    /// The method, as sent.
    Method,
    /// The name of Envoy's route.
    RouteName,
    /// The metadata of Envoy's route: the namespace, then the path within it.
    RouteMetadata(Vec<String>),
    /// The dynamic metadata of other filters: the namespace, then the path within it.
    Metadata(Vec<String>),
    /// The same text for every request. Only for keys.
    Constant(String),
    /// The `content-length` header. Not for keys.
    ContentLength,
}

impl Source {
    /// Returns true if every request has a value from this source.
    pub(super) const fn is_always_present(&self) -> bool {
        matches!(
            self,
            Self::ClientIp { .. } | Self::Host | Self::Path | Self::Method | Self::Constant(_)
        )
    }
}

/// Names the source in a sentence: `claim org.id`.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::JwtClaim(names) => write!(f, "claim {}", names.join(".")),
            Self::ClientIp { .. } => f.write_str("client address"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Host => f.write_str("host"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::RouteName => f.write_str("route name"),
            Self::RouteMetadata(names) => write!(f, "route metadata {}", names.join(".")),
            Self::Metadata(names) => write!(f, "dynamic metadata {}", names.join(".")),
            Self::Constant(text) => write!(f, "constant {text}"),
            Self::ContentLength => f.write_str("content length"),
        }
    }
}

/// Checks a source, written as a mapping with a single field.
pub(super) fn checked(
    document: &document::Source,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let sources = named(document, place, mistakes)?;
    let count = sources.len();
    let Ok([source]) = <[Source; 1]>::try_from(sources) else {
        mistakes.add(
            place,
            format!("expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length; found {count} of them"),
        );
        return None;
    };
    Some(source)
}

/// Returns all sources that `document` names; `None` if one of them is invalid.
pub(super) fn named(
    document: &document::Source,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Vec<Source>> {
    let before = mistakes.len();
    let at = |field: &str| format!("{place}.{field}");
    let claim = document.jwt_claim.as_ref().map(|claim| {
        path(&claim.names(), 1, &at("jwt_claim"), mistakes);
        Source::JwtClaim(claim.names())
    });
    let header = document.header.as_ref().map(|name| {
        header_name(name, &at("header"), mistakes);
        Source::Header(name.to_ascii_lowercase())
    });
    let query = document.query.as_ref().map(|text| {
        name(text, &at("query"), mistakes);
        Source::Query(text.clone())
    });
    let cookie = document.cookie.as_ref().map(|name| {
        cookie_name(name, &at("cookie"), mistakes);
        Source::Cookie(name.clone())
    });
    let route_metadata = document.route_metadata.as_ref().map(|names| {
        path(names, 2, &at("route_metadata"), mistakes);
        Source::RouteMetadata(names.clone())
    });
    let metadata = document.metadata.as_ref().map(|names| {
        path(names, 2, &at("metadata"), mistakes);
        Source::Metadata(names.clone())
    });
    let host = document.host.as_ref().map(|_| Source::Host);
    let of_path = document.path.as_ref().map(|_| Source::Path);
    let method = document.method.as_ref().map(|_| Source::Method);
    let route_name = document.route_name.as_ref().map(|_| Source::RouteName);
    let content_length = document.content_length.as_ref().map(|_| Source::ContentLength);
    let values = [claim, header, query, cookie, host, of_path, method];
    let others = [route_name, route_metadata, metadata, content_length];
    let found = values.into_iter().chain(others).flatten().collect();
    (mistakes.len() == before).then_some(found)
}

/// Checks the path to a claim or metadata field. `least`: the fewest names.
pub(super) fn path(names: &[String], least: usize, place: &str, mistakes: &mut Mistakes) {
    if !(least..=MAX_PATH).contains(&names.len()) || !names.iter().all(|name| is_name(name)) {
        mistakes.add(
            place,
            format!(
                "expected {least} to {MAX_PATH} names of 1 to {MAX_NAME_BYTES} bytes, found {}",
                serde_json::json!(names)
            ),
        );
    }
}

/// Checks a name that can be any text.
pub(super) fn name(text: &str, place: &str, mistakes: &mut Mistakes) {
    if !is_name(text) {
        mistakes.add(
            place,
            format!("expected a text of 1 to {MAX_NAME_BYTES} bytes, found {} bytes", text.len()),
        );
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
}

/// Checks a header's name.
pub(super) fn header_name(name: &str, place: &str, mistakes: &mut Mistakes) {
    if name.starts_with(':') {
        mistakes.add(
            place,
            format!("expected a header name, found {name:?}: use `host`, `paths` or `methods`"),
        );
    } else if !is_token(name) {
        mistakes.add(place, format!("expected a header name, such as x-api-key, found {name:?}"));
    }
}

/// Checks a cookie's name.
pub(super) fn cookie_name(name: &str, place: &str, mistakes: &mut Mistakes) {
    if !is_token(name) {
        mistakes.add(place, format!("expected a cookie name, such as session, found {name:?}"));
    }
}

/// Returns true for a token of RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    is_name(name) && name.bytes().all(is_allowed)
}
