//! The filter's file, `envoy/tollgate.yaml` or `envoy/tollgate-module.yaml`, which contains the
//! policy and which Envoy watches.
//!
//! Envoy reads it again only when another file is moved over it, so it never reads a half-written
//! file.

use super::document::{at, read_yaml};
use crate::paths;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PLUGIN: &str = "/resources/0/typed_config/config";
/// The place of the dynamic module's own configuration.
const MODULE: &str = "/resources/0/typed_config/filter_config/value";

/// Reads the filter's file `name` and changes it.
pub(super) fn render(name: &str, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<Value> {
    let path = paths::root().join(name);
    let mut filter = read_yaml(&path)?;
    change(&mut filter).with_context(|| format!("{} is not as expected", path.display()))?;
    Ok(filter)
}

/// Changes the dynamic module's path, ledger or policy, if given.
pub(super) fn change_module(
    filter: &mut Value,
    module: Option<&Path>,
    ledger: Option<&str>,
    policy: Option<&Value>,
) -> Result<()> {
    if let Some(module) = module {
        let file = "/resources/0/typed_config/dynamic_module_config/module/local/filename";
        *at(filter, file)? = json!(module);
    }
    let own = at(filter, MODULE)?;
    if let Some(ledger) = ledger {
        *at(own, "/ledger")? = json!(ledger);
    }
    if let Some(policy) = policy {
        *at(own, "/policy")? = policy.clone();
    }
    Ok(())
}

/// Changes the Wasm filter's path or policy, if given.
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

/// Returns the policy in `filter`, the content of a filter's file.
///
/// # Errors
/// Fails if it has no policy.
pub fn policy(filter: &mut Value) -> Result<&mut Value> {
    match filter.pointer(MODULE) {
        Some(_) => at(at(filter, MODULE)?, "/policy"),
        None => at(at(filter, PLUGIN)?, "/configuration/value"),
    }
}

/// Removes the ledger's URL from `filter`, the content of the dynamic module's file, so that a variable
/// of Envoy's names the ledger.
///
/// # Errors
/// Fails if it has none.
pub fn remove_ledger(filter: &mut Value) -> Result<()> {
    let own = at(filter, MODULE)?.as_object_mut().context("the module's value is not an object")?;
    own.remove("ledger").map(drop).context("the module's ledger is missing")
}

/// Replaces `file` with `filter` atomically, so that Envoy sees either the old or the new content.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn put(filter: &Value, file: &Path) -> Result<()> {
    replace(filter, file, 0o644)
}

/// Does the same as [`put`], but makes `file` readable only by its owner, since it contains the
/// running stack's salt.
///
/// # Errors
/// Same as [`put`].
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
