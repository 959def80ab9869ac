//! Edits scalars and fields in a YAML text and keeps the rest of it, including comments.
//!
//! Called by [`super::render`].

use super::places::Places;
use super::sets::joined;
use serde_json::Value;
use std::ops::Range;

/// Edits `text`, which contains the document `before`, so that it contains `after`. Returns `None`
/// if that takes more than replacing scalars and adding fields, or if the text uses a notation that
/// is not supported here.
pub(super) fn edited(text: &str, before: &Value, after: &Value) -> Option<String> {
    let places = Places::of(text);
    let mut edits = Vec::new();
    find(&Edited { text, places: &places }, "", before, after, &mut edits)?;
    // Edits go from the end to the start, so that the offsets of the remaining ones stay valid.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.at.start));
    let (mut changed, mut end) = (text.to_owned(), text.len());
    for edit in edits {
        // Edits overlap if a name contains dots and looks like another field's path.
        if edit.at.end > end {
            return None;
        }
        end = edit.at.start;
        changed.replace_range(edit.at, &edit.with);
    }
    // A final check catches everything that the edits misread.
    (serde_saphyr::from_str::<Value>(&changed).ok().as_ref() == Some(after)).then_some(changed)
}

/// A text that is being edited.
struct Edited<'a> {
    text: &'a str,
    places: &'a Places,
}

/// A byte range of the text, and its replacement.
struct Edit {
    at: Range<usize>,
    with: String,
}

/// Collects the edits that turn `before`, which is at `place`, into `after`. Returns `None` if they
/// are not supported.
fn find(
    edited: &Edited<'_>,
    place: &str,
    before: &Value,
    after: &Value,
    edits: &mut Vec<Edit>,
) -> Option<()> {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                match old.get(name) {
                    Some(old) => find(edited, &joined(place, name), old, value, edits)?,
                    None => edits.push(edited.added(place, old.keys(), name, value)?),
                }
            }
        }
        (_, Value::Number(_) | Value::Bool(_) | Value::String(_)) => {
            edits.push(edited.replaced(place, after)?)
        }
        _ => return None,
    }
    Some(())
}

impl Edited<'_> {
    /// Replaces the scalar after the name at `place`, on the same line.
    fn replaced(&self, place: &str, value: &Value) -> Option<Edit> {
        let start = self.offset(self.places.find(place)?)?;
        let rest = self.text.get(start..)?;
        let colon = rest.find(':')? + 1;
        let behind = rest.get(colon..)?;
        let scalar = behind.trim_start_matches(' ');
        let from = start + colon + (behind.len() - scalar.len());
        let length = scalar.find([',', '}', ' ', '\n', '\r']).unwrap_or(scalar.len());
        Some(Edit { at: from..from + length, with: value.to_string() })
    }

    /// Adds a field before all `others` of the mapping at `place`, in their style.
    fn added<'a>(
        &self,
        place: &str,
        others: impl Iterator<Item = &'a String>,
        name: &str,
        value: &Value,
    ) -> Option<Edit> {
        let places = others.filter_map(|other| self.places.find(&joined(place, other)));
        let first = places.min()?;
        let start = self.offset(first)?;
        let is_flow = self.text.get(..start)?.trim_end().ends_with('{');
        let end = match is_flow {
            true => ", ".to_owned(),
            false => format!("\n{:1$}", "", usize::try_from(first.1).ok()?.checked_sub(1)?),
        };
        Some(Edit { at: start..start, with: format!("{name}: {value}{end}") })
    }

    /// Returns the byte offset of a line and a column, both counted from 1.
    fn offset(&self, (line, column): (u64, u64)) -> Option<usize> {
        let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
        let mut lines = self.text.split_inclusive('\n');
        let start: usize = lines.by_ref().take(line.checked_sub(1)?).map(str::len).sum();
        let within = lines.next()?.char_indices().nth(column.checked_sub(1)?)?.0;
        Some(start + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "\
# é before
a: { b: 5, # five
  c: [1] }
d:
    # of d
    e: 10   # ten
    f: {g: 1}
";

    fn document() -> Value {
        json!({ "a": { "b": 5, "c": [1] }, "d": { "e": 10, "f": { "g": 1 } } })
    }

    fn check(change: impl FnOnce(&mut Value), expected: Option<String>) {
        let mut after = document();
        change(&mut after);
        assert_eq!(edited(TEXT, &document(), &after), expected, "{after}");
    }

    #[test]
    fn scalars_are_replaced_and_fields_added_in_the_style_of_their_neighbors() {
        check(|_| {}, Some(TEXT.to_owned()));
        check(|v| v["a"]["b"] = json!(600), Some(TEXT.replace("b: 5", "b: 600")));
        check(|v| v["d"]["e"] = json!(true), Some(TEXT.replace("10", "true")));
        check(|v| v["d"]["e"] = json!("a: #b"), Some(TEXT.replace("10", "\"a: #b\"")));
        check(|v| v["d"]["f"]["g"] = json!(2), Some(TEXT.replace("g: 1", "g: 2")));
        check(|v| v["a"]["x"] = json!(false), Some(TEXT.replace("{ b", "{ x: false, b")));
        check(|v| v["d"]["x"] = json!(7), Some(TEXT.replace("e: 10", "x: 7\n    e: 10")));
        let both = |v: &mut Value| {
            v["a"]["b"] = json!(6);
            v["d"]["f"]["x"] = json!(1);
        };
        check(both, Some(TEXT.replace("b: 5", "b: 6").replace("{g", "{x: 1, g")));
    }

    #[test]
    fn other_changes_are_not_supported() {
        check(|v| v["a"]["c"] = json!([2]), None);
        check(|v| drop(v["a"].as_object_mut().unwrap().remove("b")), None);
        check(|v| v["d"]["f"] = json!(1), None);
    }

    #[test]
    fn unsupported_notations_are_not_corrupted() {
        let after = json!({ "a": 2, "b": 1 });
        for text in
            ["a: &x 1\nb: *x\n", "{\"a\": 1, \"b\": 1}", "a:\n  1\nb: 1\n", "? a\n: 1\n? b\n: 1\n"]
        {
            let before = json!({ "a": 1, "b": 1 });
            let edited = edited(text, &before, &after);
            let read = edited.map(|text| serde_saphyr::from_str::<Value>(&text).unwrap());
            assert!(read.is_none_or(|read| read == after), "{text}");
        }
        // Two places with the same dotted name.
        let both = |b: u64| json!({ "a": { "b": b }, "a.b": b });
        let text = "a: { b: 1000000 }\na.b: 1000000";
        assert_eq!(edited(text, &both(1_000_000), &both(1)), None);
    }
}
