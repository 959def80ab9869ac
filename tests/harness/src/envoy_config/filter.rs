//! The filter's own file, `envoy/tollgate.yaml`, which Envoy watches: the policy is in it.
//!
//! Envoy reads it anew when another file is moved into its place, and only then: a file that is
//! written in place could be read half written.

use super::{at, read_yaml};
use crate::paths;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PLUGIN: &str = "/resources/0/typed_config/config";

/// `envoy/tollgate.yaml` with another module and another policy, where there are.
pub(super) fn render(wasm: Option<&Path>, policy: Option<&Value>) -> Result<Value> {
    let path = paths::root().join("envoy/tollgate.yaml");
    let mut filter = read_yaml(&path)?;
    change(&mut filter, wasm, policy)
        .with_context(|| format!("{} is not as expected", path.display()))?;
    Ok(filter)
}

pub(super) fn change(
    filter: &mut Value,
    wasm: Option<&Path>,
    policy: Option<&Value>,
) -> Result<()> {
    let plugin = at(filter, PLUGIN)?;
    if let Some(wasm) = wasm {
        *at(plugin, "/vm_config/code/local/filename")? = json!(wasm);
    }
    if let Some(policy) = policy {
        *at(plugin, "/configuration/value")? = policy.clone();
    }
    Ok(())
}

/// The policy in `filter`, a file such as `envoy/tollgate.yaml`.
///
/// # Errors
/// Where it has none.
pub fn policy(filter: &mut Value) -> Result<&mut Value> {
    at(at(filter, PLUGIN)?, "/configuration/value")
}

/// Puts `filter` in the place of `file`, in one step: Envoy sees the old one or the new one.
///
/// # Errors
/// Where it cannot be written.
pub fn put(filter: &Value, file: &Path) -> Result<()> {
    replace(filter, file, 0o644)
}

/// As [`put`], readable by its owner only: the salt of a stack that runs here is in it.
///
/// # Errors
/// As [`put`].
pub fn put_private(filter: &Value, file: &Path) -> Result<()> {
    replace(filter, file, 0o600)
}

fn replace(filter: &Value, file: &Path, mode: u32) -> Result<()> {
    let text = serde_json::to_vec_pretty(filter).context("cannot write the filter's file")?;
    let write = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        new.write_all(&text)?;
        new.persist(file).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", file.display()))
}
