//! Deserializes a policy's parts, and reports every format error rather than only the first.
//!
//! serde stops at an error. So the invalid value is reported and removed, and the rest is read
//! again.

use super::mistakes::{MAX_MISTAKES, Mistakes, did_you_mean, dotted};
use crate::json::{self, JsonError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The most characters of an invalid value that are shown.
const MAX_FOUND_CHARS: usize = 64;

/// Reads `value`, located at `place`, as a `T`. Reports all mistakes, and returns `None` if there
/// are any.
pub(super) fn read<T: DeserializeOwned>(
    value: Value,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let before = mistakes.len();
    read_rest(value, place, mistakes).filter(|_| mistakes.len() == before)
}

/// Reads `value` without its invalid parts. Reports all mistakes.
pub(super) fn read_rest<T: DeserializeOwned>(
    mut value: Value,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let mut cuts: Vec<Cut> = Vec::new();
    for _ in 0..MAX_MISTAKES {
        let error = match json::from_value(&value) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        // A field that was removed here is missing now. Its mistake has already been reported.
        let is_ours = is_missing(&error) && cuts.iter().any(|cut| cut.parent == error.pointer);
        if !is_ours {
            let place = joined(place, &actual(&error.pointer, &cuts), &value);
            mistakes.add(place, message(&error, &value));
        }
        cuts.push(Cut::out_of(&mut value, &error.pointer)?);
    }
    None
}

/// A removed value: `parent` is a JSON pointer, and `token` the last part of the value's own.
struct Cut {
    parent: String,
    token: String,
}

impl Cut {
    /// Removes the value at `pointer`. Returns `None` for the whole document, because nothing would
    /// be left to read.
    fn out_of(value: &mut Value, pointer: &str) -> Option<Self> {
        let (parent, token) = pointer.rsplit_once('/')?;
        match value.pointer_mut(parent)? {
            Value::Object(fields) => {
                fields.remove(&token.replace("~1", "/").replace("~0", "~"))?;
            }
            Value::Array(items) => {
                let index = token.parse().ok().filter(|index| *index < items.len())?;
                items.remove(index);
            }
            _ => return None,
        }
        Some(Self { parent: parent.to_owned(), token: token.to_owned() })
    }
}

/// Returns the original location of `pointer`. Removing items moves the rest of a list up.
fn actual(pointer: &str, cuts: &[Cut]) -> String {
    let Some((parent, token)) = pointer.rsplit_once('/') else { return pointer.to_owned() };
    let Ok(index) = token.parse::<usize>() else { return pointer.to_owned() };
    // serde reports the first mistake of a list first, so all removed items came before this one.
    let before =
        cuts.iter().filter(|cut| cut.parent == parent && cut.token.parse::<usize>().is_ok());
    format!("{parent}/{}", index + before.count())
}

fn joined(place: &str, pointer: &str, value: &Value) -> String {
    let inner = dotted(pointer, value);
    let dot = if place.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{place}{dot}{inner}")
}

fn is_missing(error: &JsonError) -> bool {
    error.message.starts_with("missing field")
}

/// serde's names of types that YAML calls something else.
const TYPES: [(&str, &str); 4] = [
    ("invalid type: sequence,", "invalid type: list,"),
    ("invalid type: map,", "invalid type: mapping,"),
    ("expected a sequence", "expected a list"),
    ("expected a map", "expected a mapping"),
];

/// The beginnings of messages about words of other rate limiters, with what to write instead.
const HINTS: [(&str, &str); 1] =
    [("unknown variant `second`", "for a second, write `window: 1s` in place of `per`")];

/// Returns serde's message, with the value found, and with a suggestion if a known name is similar.
fn message(error: &JsonError, value: &Value) -> String {
    let serde = &error.message;
    let named = TYPES.iter().filter(|(name, _)| serde.starts_with(name) || serde.ends_with(name));
    let text = &named.fold(serde.clone(), |text, (name, ours)| text.replacen(name, ours, 1));
    if text.starts_with("expected") && !text.contains(", found ") {
        let found = value.pointer(&error.pointer).unwrap_or(&Value::Null).to_string();
        return format!(
            "{text}, found {}",
            found.chars().take(MAX_FOUND_CHARS).collect::<String>()
        );
    }
    let is_name = text.starts_with("unknown field") || text.starts_with("unknown variant");
    let mut quoted = text.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(found) if is_name => {
            let meant = did_you_mean(found, &quoted.collect::<Vec<_>>());
            let text = text.replacen(", expected", &format!("{meant}, expected"), 1);
            let hint = HINTS.iter().find(|(start, _)| text.starts_with(start));
            hint.map_or(text.clone(), |(_, hint)| format!("{text}; {hint}"))
        }
        _ => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Thing {
        name: String,
        sizes: Vec<u8>,
        part: Option<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Part {
        weight: u8,
    }

    fn mistakes_in(value: Value) -> String {
        let mut mistakes = Mistakes::default();
        let read = read::<Thing>(value, "thing", &mut mistakes);
        assert_eq!(read.is_none(), mistakes.len() > 0);
        mistakes.into_errors().to_string().replace("; ", "\n")
    }

    #[test]
    fn every_mistake_is_reported_once_with_its_location() {
        assert_eq!(mistakes_in(json!({ "name": "a", "sizes": [1], "part": { "weight": 1 } })), "");
        insta::assert_snapshot!(mistakes_in(json!({
            "nmae": "a", "sizes": ["x", 1, 300, 2, null], "part": { "weigth": 1 }, "a/b": 1,
        })), @r#"
thing.a/b: unknown field `a/b`, expected one of `name`, `sizes`, `part`
thing.nmae: unknown field `nmae` (did you mean "name"?), expected one of `name`, `sizes`, `part`
thing.part.weigth: unknown field `weigth` (did you mean "weight"?), expected `weight`
thing.sizes[0]: invalid type: string "x", expected u8
thing.sizes[2]: invalid value: integer `300`, expected u8
thing.sizes[4]: invalid type: null, expected u8
"#);
        insta::assert_snapshot!(mistakes_in(json!({ "name": 1, "sizes": [] })), @"thing.name: invalid type: integer `1`, expected a string");
        insta::assert_snapshot!(mistakes_in(json!([])), @"thing: invalid length 0, expected struct Thing with 3 elements");
    }
}
