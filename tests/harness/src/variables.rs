//! The environment variables that set values in the shipped policy, from `envoy/policy.variables`.

use crate::paths;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Returns the path of the list, for `tollgate policy --set-env @FILE`.
#[must_use]
pub fn file() -> PathBuf {
    paths::root().join("envoy/policy.variables")
}

/// Reads the list as pairs of a path in the policy and the variable that sets it.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn list() -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file()).context("cannot read envoy/policy.variables")?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(path, variable)| (path.to_owned(), variable.to_owned())).collect())
}
