//! A JSON object whose members are taken one by one, so that one reply can report every mistake
//! with its place.
//!
//! Parsed by [`crate::body`], consumed by the handlers in [`crate::routes`].

use limits::problem::PlacedError;
use resume::json::{escaped, kind};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The most mistakes reported in one reply.
const MAX_ERRORS: usize = 16;
/// The most members accepted. No body of ours has a quarter as many.
const MAX_MEMBERS: usize = 64;

/// The members not yet taken, and the mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    members: Vec<(String, Value)>,
    errors: Vec<PlacedError>,
}

impl Fields {
    /// Takes the string member `name` and parses it.
    pub(crate) fn text<T, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = match self.take(name) {
            Some(Value::String(text)) => parse(&text).map_err(|error| error.to_string()),
            other => Err(format!("expected a string, found {}", kind(other.as_ref()))),
        };
        parsed.map_err(|detail| self.wrong(name, detail)).ok()
    }

    /// Takes the string member `name` and parses it, if it is present.
    pub(crate) fn optional_text<T, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        if self.has(name) { self.text(name, parse).map(Some) } else { Some(None) }
    }

    /// Takes the member `name`, of any type, and parses it. The places of its mistakes are relative
    /// to the value.
    pub(crate) fn value<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Value) -> Result<T, Vec<PlacedError>>,
    ) -> Option<T> {
        let parsed = parse(self.take(name)?);
        let place = pointer(name);
        parsed
            .map_err(|errors| {
                for error in errors {
                    self.mistake(&format!("{place}{}", error.pointer), error.detail);
                }
            })
            .ok()
    }

    /// Returns true if there is a member `name` that has not been taken.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// Records a mistake that doesn't belong to a single member.
    pub(crate) fn mistake(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(PlacedError { pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    /// Returns the value, unless there was a mistake or a member is left over.
    ///
    /// # Errors
    /// Every mistake: at least one, at most 16.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<PlacedError>> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.wrong(&name, "unknown member");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(at).1)
    }

    fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        self.mistake(&pointer(name), detail);
    }
}

/// Keeps the first of several members with the same name, and records a mistake: the meaning of a
/// body must not depend on the parser.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {MAX_MEMBERS} members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.members.len() == MAX_MEMBERS {
                return Err(de::Error::invalid_length(MAX_MEMBERS + 1, &self));
            }
            if fields.members.iter().any(|(member, _)| *member == name) {
                fields.wrong(&name, "duplicate member");
            } else {
                fields.members.push((name, value));
            }
        }
        Ok(fields)
    }
}

/// Returns the member's place as a JSON Pointer (RFC 6901).
fn pointer(name: &str) -> String {
    format!("/{}", escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &[(&str, &str)]) {
        let mut fields: Fields = serde_json::from_str(json).unwrap();
        let a = fields.text("a", |text| Ok::<_, String>(text.to_owned()));
        let b = fields.text("b", |text| text.parse::<u8>());
        let errors = fields.finish(a.zip(b)).err().unwrap_or_default();
        let found: Vec<_> =
            errors.iter().map(|e| (e.pointer.as_str(), e.detail.as_str())).collect();
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn a_good_object_has_no_mistakes() {
        check(r#"{"a": "x", "b": "1"}"#, &[]);
        check(r#"{"b": "1", "a": ""}"#, &[]);
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        check(
            r#"{"b": "x", "a": 1, "c/d": 0, "~": null}"#,
            &[
                ("/a", "expected a string, found a number"),
                ("/b", "invalid digit found in string"),
                ("/c~1d", "unknown member"),
                ("/~0", "unknown member"),
            ],
        );
        check(
            "{}",
            &[
                ("/a", "expected a string, found nothing"),
                ("/b", "expected a string, found nothing"),
            ],
        );
        check(r#"{"a": "x", "b": "1", "a": "y"}"#, &[("/a", "duplicate member")]);
        for (value, kind) in
            [("null", "null"), ("true", "a boolean"), ("[]", "an array"), ("{}", "an object")]
        {
            let detail = format!("expected a string, found {kind}");
            check(&format!(r#"{{"a": {value}, "b": "1"}}"#), &[("/a", &detail)]);
        }
    }

    #[test]
    fn reported_mistakes_are_limited() {
        let many: Vec<_> = (0..MAX_MEMBERS).map(|n| format!("\"m{n}\": 1")).collect();
        let fields: Fields = serde_json::from_str(&format!("{{{}}}", many.join(","))).unwrap();
        assert_eq!(fields.finish(Some(())).unwrap_err().len(), MAX_ERRORS);

        let long = format!(r#"{{"{}": 1}}"#, "é".repeat(1000));
        let fields: Fields = serde_json::from_str(&long).unwrap();
        assert_eq!(fields.finish(Some(())).unwrap_err()[0].pointer.chars().count(), 1 + 64 + 1);

        let too_many: Vec<_> = (0..=MAX_MEMBERS).map(|n| format!("\"m{n}\": 1")).collect();
        let error =
            serde_json::from_str::<Fields>(&format!("{{{}}}", too_many.join(","))).unwrap_err();
        assert!(error.to_string().contains("an object of at most 64 members"), "{error}");
    }
}
