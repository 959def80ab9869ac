//! Validates a document against the schema, and beyond it: dates must exist, an end must not
//! precede its start, and a URL must be an absolute web address.
//!
//! Called by [`super::Resume::new`]. Each error has a JSON pointer.

use super::date::{self, PartialDate};
use super::schema::{Members, RESUME, Shape, Version};
use crate::email::Email;
use crate::json::{escaped, kind};
use limits::problem::PlacedError;
use serde_json::{Map, Value};
use url::Url;

/// The longest document, in bytes of JSON.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The most errors reported for one document.
pub const MAX_ERRORS: usize = 32;
/// The most items of any array.
pub const MAX_ITEMS: usize = 500;
/// The most members of any object.
pub const MAX_MEMBERS: usize = 64;
/// The longest string, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;
/// The deepest nesting of arrays and objects. The schema itself needs 5 levels.
pub const MAX_DEPTH: usize = 16;
/// The most characters of an invalid string that an error repeats.
const MAX_FOUND_CHARS: usize = 64;

/// Validates a document.
///
/// # Errors
/// Fails with every error and its JSON pointer, at most [`MAX_ERRORS`].
pub fn check(document: &Value) -> Result<(), Vec<PlacedError>> {
    let schema = document.get("$schema").and_then(Value::as_str);
    let mut check = Check { version: Version::of_schema(schema), errors: Vec::new() };
    if let Value::Object(members) = document {
        check.bounded("", document, 0);
        check.members("", members, RESUME);
        if !check.version.is_open() {
            check.no_further_members(members);
        }
        check.size(document);
    } else {
        check.wrong("", format!("expected a JSON Resume object, found {}", kind(Some(document))));
    }
    if check.errors.is_empty() { Ok(()) } else { Err(check.errors) }
}

struct Check {
    version: Version,
    errors: Vec<PlacedError>,
}

impl Check {
    fn wrong(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(PlacedError { pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Checks the rules for every value, in the schema or not: it is bounded, and every database
    /// can store it.
    fn bounded(&mut self, place: &str, value: &Value, depth: usize) {
        if self.is_full() {
            return;
        }
        if depth > MAX_DEPTH {
            return self.wrong(
                place,
                format!("expected at most {MAX_DEPTH} levels of nesting, found more"),
            );
        }
        match value {
            Value::String(text) => self.bounded_text(place, text),
            Value::Array(items) if items.len() > MAX_ITEMS => {
                let found = items.len();
                self.wrong(place, format!("expected at most {MAX_ITEMS} items, found {found}"));
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.bounded(&format!("{place}/{at}"), item, depth + 1);
                }
            }
            Value::Object(members) if members.len() > MAX_MEMBERS => {
                let found = members.len();
                self.wrong(place, format!("expected at most {MAX_MEMBERS} members, found {found}"));
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let place = format!("{place}/{}", escaped(name));
                    self.bounded_text(&place, name);
                    self.bounded(&place, member, depth + 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn bounded_text(&mut self, place: &str, text: &str) {
        if text.contains('\0') {
            self.wrong(place, "expected a string without U+0000, found one with it");
        }
        if text.len() > MAX_TEXT_BYTES {
            let found = text.len();
            let detail =
                format!("expected a string of at most {MAX_TEXT_BYTES} bytes, found {found}");
            self.wrong(place, detail);
        }
    }

    fn size(&mut self, document: &Value) {
        let bytes = document.to_string().len();
        if bytes > MAX_DOCUMENT_BYTES {
            let detail =
                format!("expected a document of at most {MAX_DOCUMENT_BYTES} bytes, found {bytes}");
            self.wrong("", detail);
        }
    }

    fn no_further_members(&mut self, members: &Map<String, Value>) {
        for name in members.keys() {
            if !RESUME.iter().any(|(known, _)| known == name) {
                self.wrong(
                    &format!("/{}", escaped(name)),
                    "unknown member: only a document whose $schema names a version after \
                     1.0.0 can have additional members",
                );
            }
        }
    }

    fn members(&mut self, place: &str, members: &Map<String, Value>, known: Members) {
        for (name, shape) in known {
            if let Some(value) = members.get(*name) {
                self.value(&format!("{place}/{}", escaped(name)), value, shape);
            }
        }
        self.period(place, members);
    }

    fn value(&mut self, place: &str, value: &Value, shape: &Shape) {
        match (shape, value) {
            (Shape::List(shape), Value::Array(items)) => {
                for (at, item) in items.iter().enumerate().take(MAX_ITEMS) {
                    self.value(&format!("{place}/{at}"), item, shape);
                }
            }
            (Shape::Object(known), Value::Object(members)) => self.members(place, members, known),
            (Shape::List(_), other) => self.other(place, "an array", other),
            (Shape::Object(_), other) => self.other(place, "an object", other),
            (shape, Value::String(text)) => self.text(place, text, shape),
            (_, other) => self.other(place, "a string", other),
        }
    }

    fn other(&mut self, place: &str, expected: &str, found: &Value) {
        self.wrong(place, format!("expected {expected}, found {}", kind(Some(found))));
    }

    fn text(&mut self, place: &str, text: &str, shape: &Shape) {
        let date = PartialDate::parse(text);
        let expected = match shape {
            Shape::Date if date.is_none() => date::EXPECTED,
            Shape::CertificateDate if self.version == Version::V1_0 => {
                if date.is_some_and(PartialDate::is_day) {
                    return;
                }
                date::EXPECTED_DAY
            }
            Shape::CertificateDate if date.is_none() => date::EXPECTED,
            Shape::Url if !is_url(text) => "a URL like https://example.org/ada",
            Shape::Email if !is_email(text) => "an e-mail address like ada@example.org",
            _ => return,
        };
        self.wrong(place, format!("expected {expected}, found {}", found(text)));
    }

    /// Checks that the end of a period is not before its start.
    fn period(&mut self, place: &str, members: &Map<String, Value>) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let (Some(start), Some(end)) = (text("startDate"), text("endDate")) else { return };
        let (Some(from), Some(to)) = (PartialDate::parse(start), PartialDate::parse(end)) else {
            return;
        };
        if to.is_before(from) {
            let detail = format!("expected a date not before the start, {start}, found {end}");
            self.wrong(&format!("{place}/endDate"), detail);
        }
    }
}

/// Returns true for an absolute `http` or `https` URL in RFC 3986 syntax. Such a URL is safe as a
/// link in HTML and Markdown.
fn is_url(text: &str) -> bool {
    let is_web = ["https://", "http://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"{}|\\^`".contains(c);
    is_web && text.chars().all(is_plain) && Url::parse(text).is_ok_and(|url| url.has_host())
}

fn is_email(text: &str) -> bool {
    text.trim() == text && Email::parse(text).is_ok()
}

/// Quotes and shortens a string for an error.
fn found(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_FOUND_CHARS).collect();
    if chars.next().is_none() { format!("{start:?}") } else { format!("{start:?}…") }
}

#[cfg(test)]
mod tests;
