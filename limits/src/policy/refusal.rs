//! The form of a bucket's refusals, and its checks.

use super::document;
use super::mistakes::{Mistakes, did_you_mean};
use super::sources::header_name;
use crate::template::{Format, NAMES, Placeholder, Template};

/// The most headers that a refusal can add.
const MAX_HEADERS: usize = 16;
/// The longest body, in bytes as written.
const MAX_BODY_BYTES: usize = 16 << 10;
/// The longest value of a header, in bytes as written.
const MAX_VALUE_BYTES: usize = 1 << 10;

/// Clients take what follows such a response for the next one.
const NOT_MODIFIED: u16 = 304;

/// Headers that Envoy or Tollgate sets itself. A second value would contradict the first.
const RESERVED: [&str; 20] = [
    "connection",
    "content-length",
    "date",
    "grpc-message",
    "grpc-status",
    "host",
    "keep-alive",
    "proxy-connection",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "server",
    "te",
    "tollgate-verdict",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// The form of a bucket's refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, 300..=599. `None` keeps the default.
    pub status: Option<u16>,
    /// The body. `None` for a problem document.
    pub(crate) body: Option<Body>,
    /// Headers to add, by lowercase name.
    pub(crate) headers: Vec<(String, Template)>,
}

/// The body of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) format: Format,
    pub(crate) template: Template,
}

impl Refusal {
    /// Describes the form in a phrase, for operators.
    #[must_use]
    pub fn describe(&self) -> String {
        let body = match &self.body {
            Some(body) => format!("body {}", body.format),
            None => "a problem document".to_owned(),
        };
        // The default status depends on why a request is refused.
        let status =
            self.status.map_or_else(|| "usual status".to_owned(), |status| status.to_string());
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [] => format!("{status}, {body}"),
            names => format!("{status}, {body}, headers {}", names.join(" ")),
        }
    }

    fn has(&self, placeholder: Placeholder) -> bool {
        let body = self.body.iter().map(|body| &body.template);
        let headers = self.headers.iter().map(|(_, template)| template);
        body.chain(headers).any(|template| template.has(placeholder))
    }
}

/// Checks a bucket's `refusal`. `is_visible`: false if clients must not learn of the bucket.
pub(super) fn checked(
    document: &document::Refusal,
    is_visible: bool,
    place: &str,
    mistakes: &mut Mistakes,
) -> Refusal {
    let refusal = Refusal {
        status: document.status.and_then(|status| u16::try_from(status.get()).ok()),
        body: document.body.as_ref().and_then(|body| checked_body(body, place, mistakes)),
        headers: headers(document, &format!("{place}.headers"), mistakes),
    };
    if refusal.status == Some(NOT_MODIFIED) {
        let text = "a 304 has no body, so it cannot refuse a request: use another status";
        mistakes.add(format!("{place}.status"), text);
    }
    for (placeholder, name) in [(Placeholder::Bucket, "bucket"), (Placeholder::Limit, "limit")] {
        if !is_visible && refusal.has(placeholder) {
            mistakes.add(
                place,
                format!("{{{name}}} shows what `visible: false` hides: remove one of them"),
            );
        }
    }
    refusal
}

fn checked_body(document: &document::Body, place: &str, mistakes: &mut Mistakes) -> Option<Body> {
    let place = format!("{place}.body");
    let mut unknown = Vec::new();
    let (format, template, bytes) = match (&document.json, &document.html, &document.text) {
        (Some(value), None, None) => {
            let template = Template::parse_json(value, &mut unknown);
            (Format::Json, template, value.to_string().len())
        }
        (None, Some(text), None) => {
            (Format::Html, Template::parse(text, Format::Html, &mut unknown), text.len())
        }
        (None, None, Some(text)) => {
            (Format::Text, Template::parse(text, Format::Text, &mut unknown), text.len())
        }
        _ => {
            mistakes.add(place, "expected one of json, html, text");
            return None;
        }
    };
    if bytes > MAX_BODY_BYTES {
        mistakes.add(&place, format!("expected at most {MAX_BODY_BYTES} bytes, found {bytes}"));
    }
    report(&unknown, &format!("{place}.{format}"), mistakes);
    Some(Body { format, template })
}

fn headers(
    document: &document::Refusal,
    place: &str,
    mistakes: &mut Mistakes,
) -> Vec<(String, Template)> {
    if document.headers.len() > MAX_HEADERS {
        let found = document.headers.len();
        mistakes.add(place, format!("expected at most {MAX_HEADERS}, found {found}"));
    }
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (name, value) in document.headers.iter().take(MAX_HEADERS) {
        let place = format!("{place}.{name}");
        let lowercase = name.to_ascii_lowercase();
        if name.starts_with(':') {
            mistakes.add(&place, format!("expected a header name, found {name:?}: use `status`"));
        } else if RESERVED.contains(&lowercase.as_str()) {
            mistakes.add(&place, "Envoy or Tollgate sets this header: remove this");
        } else if headers.iter().any(|(before, _)| *before == lowercase) {
            mistakes.add(&place, "this header is listed twice, in different case: remove one");
        } else {
            header_name(name, &place, mistakes);
        }
        if !is_value(value) {
            mistakes.add(
                &place,
                format!("expected 1 to {MAX_VALUE_BYTES} visible ASCII characters and spaces, found {value:?}"),
            );
        }
        let mut unknown = Vec::new();
        headers.push((lowercase, Template::parse(value, Format::Text, &mut unknown)));
        report(&unknown, &place, mistakes);
    }
    headers
}

fn is_value(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_graphic() || b == b' ';
    (1..=MAX_VALUE_BYTES).contains(&text.len())
        && text.bytes().all(is_allowed)
        && text.trim_ascii() == text
}

fn report(unknown: &[String], place: &str, mistakes: &mut Mistakes) {
    for name in unknown {
        let meant = did_you_mean(name, &NAMES);
        mistakes.add(
            place,
            format!(
                "unknown placeholder {{{name}}}{meant}, expected one of {} (or {{{{{name}}}}} for the text itself)",
                NAMES.join(", ")
            ),
        );
    }
}
