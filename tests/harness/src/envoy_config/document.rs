//! YAML documents as JSON values: reading, and finding places in them.

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::path::Path;

/// Reads the YAML document in `path` as JSON.
///
/// # Errors
/// Fails if the file cannot be read, or is not valid YAML (with line and column).
pub fn read_yaml(path: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        // The first line has the message and the position. The others quote the source.
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        anyhow!("{} is not valid YAML: {}", path.display(), line.trim_start_matches("error: "))
    })
}

/// Returns the value at `pointer` (a JSON pointer) in `value`.
///
/// # Errors
/// Fails if it does not exist.
pub fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).ok_or_else(|| anyhow!("{pointer} is missing"))
}

/// Returns the element of the list `list` whose `name` field is `name`.
///
/// # Errors
/// Fails if it does not exist.
pub fn named<'a>(list: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let list =
        list.as_array_mut().with_context(|| format!("expected a list with an element {name}"))?;
    let found = list.iter_mut().find(|element| element.get("name").is_some_and(|n| n == name));
    found.with_context(|| format!("the element named {name} is missing"))
}
