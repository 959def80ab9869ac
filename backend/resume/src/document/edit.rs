//! Edits of a document: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396).
//!
//! The caller validates the result like any other document.

use super::check::MAX_DOCUMENT_BYTES;
use json_patch::{Patch, PatchOperation};
use limits::json;
use limits::problem::PlacedError;
use serde_json::Value;
use std::io;

/// The most operations in one JSON Patch.
pub const MAX_OPERATIONS: usize = 100;
/// The most bytes all copies of one JSON Patch can copy together: the size limit of a document.
const MAX_COPIED_BYTES: usize = MAX_DOCUMENT_BYTES;
/// The deepest path of an operation. It keeps many operations from nesting values too deep for
/// recursion.
const MAX_PATH_TOKENS: usize = 16;

/// An edit, as sent in a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// `application/merge-patch+json`: a document merged into the old one. `null` removes a member.
    Merge(Value),
    /// `application/json-patch+json`: operations, applied all or nothing.
    Patch(Value),
}

impl Edit {
    /// Applies the edit to a copy of `document` and returns the copy.
    ///
    /// # Errors
    /// Fails if the edit is malformed or cannot be applied. The error points into the edit.
    pub fn apply(self, document: &Value) -> Result<Value, Vec<PlacedError>> {
        let mut changed = document.clone();
        match self {
            Self::Merge(patch) => {
                json_patch::merge(&mut changed, &patch);
                Ok(changed)
            }
            Self::Patch(patch) => {
                let operations = operations(patch)?;
                let mut copied = Copied { left_bytes: MAX_COPIED_BYTES };
                for (at, operation) in operations.iter().enumerate() {
                    operate(&mut changed, operation, &mut copied)
                        .map_err(|detail| wrong(at, detail))?;
                }
                Ok(changed)
            }
        }
    }
}

fn operations(patch: Value) -> Result<Vec<PatchOperation>, Vec<PlacedError>> {
    let count = patch.as_array().map_or(0, Vec::len);
    if count > MAX_OPERATIONS {
        let detail = format!("expected at most {MAX_OPERATIONS} operations, found {count}");
        return Err(vec![PlacedError { pointer: String::new(), detail }]);
    }
    json::from_value::<Patch>(&patch)
        .map(|Patch(operations)| operations)
        .map_err(|error| vec![PlacedError { pointer: error.pointer, detail: error.message }])
}

fn operate(
    document: &mut Value,
    operation: &PatchOperation,
    copied: &mut Copied,
) -> Result<(), String> {
    if operation.path().count() > MAX_PATH_TOKENS {
        return Err(format!("expected a path of at most {MAX_PATH_TOKENS} steps, found more"));
    }
    // The library rejects a path that does not exist.
    if let PatchOperation::Copy(copy) = operation
        && let Some(source) = document.pointer(copy.from.as_str())
    {
        copied.count(source)?;
    }
    json_patch::patch(document, std::slice::from_ref(operation))
        .map_err(|error| error.kind.to_string())
}

/// Counts the bytes of copies before anything is copied. Copies of copies grow exponentially, so
/// the bound is on their bytes, not their number. Measuring stops at the bound, so it never costs
/// more than the permitted copies.
struct Copied {
    left_bytes: usize,
}

impl Copied {
    fn count(&mut self, source: &Value) -> Result<(), String> {
        serde_json::to_writer(self, source).map_err(|_full| {
            format!("expected copies of at most {MAX_COPIED_BYTES} bytes in total, found more")
        })
    }
}

impl io::Write for Copied {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left_bytes = self.left_bytes.checked_sub(bytes.len());
        self.left_bytes = left_bytes.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wrong(at: usize, detail: String) -> Vec<PlacedError> {
    vec![PlacedError { pointer: format!("/{at}"), detail }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(operations: Value) -> String {
        let document = json!({"basics": {"name": "Ada"}, "skills": [{"name": "Rust"}]});
        match Edit::Patch(operations).apply(&document) {
            Ok(document) => document.to_string(),
            Err(errors) => format!("{}: {}", errors[0].pointer, errors[0].detail),
        }
    }

    #[test]
    fn operations_are_applied_in_order() {
        let operations = json!([
            {"op": "test", "path": "/basics/name", "value": "Ada"},
            {"op": "replace", "path": "/basics/name", "value": "Ada L."},
            {"op": "add", "path": "/skills/-", "value": {"name": "SQL"}},
            {"op": "move", "from": "/skills/0", "path": "/skills/1"},
            {"op": "copy", "from": "/skills/0", "path": "/skills/0"},
            {"op": "remove", "path": "/skills/0"},
        ]);
        assert_eq!(
            patched(operations),
            r#"{"basics":{"name":"Ada L."},"skills":[{"name":"SQL"},{"name":"Rust"}]}"#
        );
    }

    #[test]
    fn a_failing_operation_is_reported_with_its_index() {
        let bad = [
            json!({"op": "add"}),
            json!([{"op": "add", "path": "/basics/name"}]),
            json!([{"op": "jump", "path": ""}]),
            json!([{"op": "test", "path": "/basics/name", "value": "Ada"},
                   {"op": "test", "path": "/basics/name", "value": "Eve"}]),
            json!([{"op": "remove", "path": "/skills/7"}]),
            json!([{"op": "add", "path": "/skills/7", "value": 1}]),
            json!([{"op": "add", "path": "no pointer", "value": 1}]),
            json!([{"op": "add", "path": "/a".repeat(MAX_PATH_TOKENS + 1), "value": 1}]),
            json!(vec![json!({"op": "test", "path": "", "value": 1}); MAX_OPERATIONS + 1]),
        ];
        insta::assert_snapshot!(bad.map(patched).join("\n"), @r"
        : invalid type: map, expected a sequence
        /0: missing field `value`
        /0/op: unknown variant `jump`, expected one of `add`, `remove`, `replace`, `move`, `copy`, `test`
        /1: value did not match
        /0: path is invalid
        /0: path is invalid
        /0: json pointer failed to parse; does not start with a slash ('/') and is not empty
        /0: expected a path of at most 16 steps, found more
        : expected at most 100 operations, found 101
        ");
    }

    /// Each patch fails at the copy that exceeds the bound, whatever the document's size by then.
    #[test]
    fn copies_are_bounded_by_their_bytes() {
        let large = "x".repeat(MAX_COPIED_BYTES / 3);
        let copy = |from: &str, path: &str| json!({"op": "copy", "from": from, "path": path});
        let add = json!({"op": "add", "path": "/basics/summary", "value": large});
        let (remove, one) =
            (json!({"op": "remove", "path": "/basics/x"}), copy("/basics/summary", "/basics/x"));
        let doubled = vec![copy("", "/skills/-"); MAX_OPERATIONS];
        let and_removed = vec![[one.clone(), remove]; 3].concat();
        let check = |operations: Vec<Value>, at: usize| {
            let expected =
                format!("/{at}: expected copies of at most 262144 bytes in total, found more");
            assert_eq!(patched(Value::Array(operations)), expected);
        };
        check(doubled, 12);
        check([vec![add.clone()], and_removed].concat(), 5);
        check(vec![add.clone(), one.clone(), one.clone(), one], 3);
        // A small value can be copied by every operation.
        let small = vec![copy("/basics/name", "/basics/x"); MAX_OPERATIONS - 1];
        let found = patched(Value::Array([vec![add], small].concat()));
        assert!(found.starts_with("{"), "{found:.100}");
    }

    /// The example of RFC 7396, section 3.
    #[test]
    fn a_merge_patch_is_merged_into_the_document() {
        let document = json!({
            "title": "Goodbye!",
            "author": {"givenName": "John", "familyName": "Doe"},
            "tags": ["example", "sample"],
            "content": "This will be unchanged",
        });
        let patch = json!({
            "title": "Hello!",
            "phoneNumber": "+01-123-456-7890",
            "author": {"familyName": null},
            "tags": ["example"],
        });
        let expected = json!({
            "title": "Hello!",
            "author": {"givenName": "John"},
            "tags": ["example"],
            "content": "This will be unchanged",
            "phoneNumber": "+01-123-456-7890",
        });
        assert_eq!(Edit::Merge(patch).apply(&document), Ok(expected));
    }
}
