//! Removes the exports of callbacks that the filter does not implement, and the code behind them.
//!
//! The `proxy-wasm` crate exports every callback of the ABI. Envoy calls each exported callback for
//! every stream, which takes about 0.3 µs per call. The removed code is 70 KB.

use anyhow::{Context, Result, bail};
use walrus::Module;

/// The prefix of the callbacks' names.
const CALLBACK: &str = "proxy_on_";
/// The allocator's name in the ABI. Envoy calls it or `malloc`.
const ALLOCATE: &str = "proxy_on_memory_allocate";

/// The callbacks to keep, each with the context's method that it calls. Callbacks without one create
/// and drop contexts inside the `proxy-wasm` crate.
const IMPLEMENTED: [(&str, Option<&str>); 11] = [
    ("proxy_on_context_create", None),
    ("proxy_on_configure", Some("on_configure")),
    ("proxy_on_tick", Some("on_tick")),
    ("proxy_on_queue_ready", Some("on_queue_ready")),
    ("proxy_on_http_call_response", Some("on_http_call_response")),
    ("proxy_on_new_connection", Some("on_new_connection")),
    ("proxy_on_request_headers", Some("on_http_request_headers")),
    ("proxy_on_response_headers", Some("on_http_response_headers")),
    ("proxy_on_response_trailers", Some("on_http_response_trailers")),
    ("proxy_on_done", Some("on_done")),
    ("proxy_on_delete", None),
];

/// Returns `module` without the exports of callbacks that the filter does not implement, and without
/// the functions that only those call. The result is deterministic.
///
/// # Errors
/// Fails if `module` is not a WebAssembly module, or lacks an implemented callback.
pub(super) fn trimmed(module: &[u8]) -> Result<Vec<u8>> {
    let mut module =
        Module::from_buffer(module).context("the filter is not a WebAssembly module")?;
    let exports: Vec<_> = module.exports.iter().map(|it| (it.id(), it.name.clone())).collect();
    let is_there = |name: &str| exports.iter().any(|(_, export)| export == name);
    if let Some((name, _)) = IMPLEMENTED.iter().find(|(name, _)| !is_there(name)) {
        bail!("the filter does not export {name}: does it use another version of the ABI?");
    }
    for (id, _) in exports.into_iter().filter(|(_, name)| !is_kept(name)) {
        module.exports.delete(id);
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

fn is_kept(name: &str) -> bool {
    let is_implemented = IMPLEMENTED.iter().any(|(implemented, _)| *implemented == name);
    is_implemented || name == ALLOCATE || !name.starts_with(CALLBACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use walrus::FunctionBuilder;

    /// Builds a module that exports a separate function under each of `names`.
    fn module(names: &[&str]) -> Vec<u8> {
        let mut module = Module::default();
        for name in names {
            let function = FunctionBuilder::new(&mut module.types, &[], &[]);
            let id = function.finish(Vec::new(), &mut module.funcs);
            module.exports.add(name, id);
        }
        module.emit_wasm()
    }

    /// Returns the names of the exports and the number of functions in `module`.
    fn contents(module: &[u8]) -> (Vec<String>, usize) {
        let module = Module::from_buffer(module).unwrap();
        let names = module.exports.iter().map(|export| export.name.clone()).collect();
        (names, module.funcs.iter().count())
    }

    const OTHERS: [&str; 4] =
        ["malloc", "proxy_on_memory_allocate", "_initialize", "proxy_abi_version_0_2_1"];

    fn implemented() -> Vec<&'static str> {
        OTHERS.into_iter().chain(IMPLEMENTED.map(|(name, _)| name)).collect()
    }

    #[test]
    fn only_implemented_callbacks_remain() {
        let dropped = ["proxy_on_vm_start", "proxy_on_log", "proxy_on_request_body"];
        let all: Vec<_> = dropped.into_iter().chain(implemented()).collect();
        let once = trimmed(&module(&all)).unwrap();
        let (names, functions) = contents(&once);
        assert_eq!(names, implemented());
        assert_eq!(functions, names.len());
        assert_eq!(trimmed(&once).unwrap(), once);
    }

    #[test]
    fn a_module_without_an_implemented_callback_is_refused() {
        let error = trimmed(&module(&OTHERS)).unwrap_err().to_string();
        assert!(error.contains("proxy_on_context_create"), "{error}");
        assert!(trimmed(b"something else").is_err());
    }

    /// The list above matches the callbacks that the filter's contexts implement.
    #[test]
    fn the_kept_callbacks_are_those_of_the_filter() {
        let sources = std::fs::read_dir(paths::root().join("filter/src")).unwrap();
        let sources = sources.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let text = sources.collect::<Vec<_>>().join("\n");
        let methods = text.split("    fn ").skip(1).filter_map(|rest| rest.split_once('('));
        let mut found: Vec<_> = methods.map(|(name, _)| name).collect();
        found.retain(|name| name.starts_with("on_"));
        found.sort_unstable();
        found.dedup();
        let mut named: Vec<_> = IMPLEMENTED.iter().filter_map(|(_, method)| *method).collect();
        named.sort_unstable();
        assert_eq!(found, named);
    }
}
