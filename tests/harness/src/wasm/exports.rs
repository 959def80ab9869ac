//! Drops the exports of callbacks that the filter does not implement.
//!
//! The `proxy-wasm` crate exports every callback of the ABI, and Envoy calls each that is there, for
//! every stream, at about 0.3 µs. What the dropped ones alone call stays in the module, dead: some KB.

use anyhow::{Context, Result, bail};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{Export, ExternalKind, Parser, Payload};

/// Begins the name of each callback.
const CALLBACK: &str = "proxy_on_";
/// Envoy asks the plugin for memory by this name or by `malloc`.
const ALLOCATE: &str = "proxy_on_memory_allocate";

/// The callbacks that Envoy is to call, and the method of a context that each ends in. Those without
/// are the dispatcher's own: it makes and drops its contexts in them.
const IMPLEMENTED: [(&str, Option<&str>); 10] = [
    ("proxy_on_context_create", None),
    ("proxy_on_configure", Some("on_configure")),
    ("proxy_on_tick", Some("on_tick")),
    ("proxy_on_queue_ready", Some("on_queue_ready")),
    ("proxy_on_http_call_response", Some("on_http_call_response")),
    ("proxy_on_new_connection", Some("on_new_connection")),
    ("proxy_on_request_headers", Some("on_http_request_headers")),
    ("proxy_on_response_headers", Some("on_http_response_headers")),
    ("proxy_on_done", Some("on_done")),
    ("proxy_on_delete", None),
];

/// Returns `module` without the exports of callbacks that the filter does not implement. The same
/// module gives the same bytes.
///
/// # Errors
/// If it is not a WebAssembly module, or it lacks one of the implemented.
pub(super) fn trimmed(module: &[u8]) -> Result<Vec<u8>> {
    let mut trimmed = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("the filter is not a WebAssembly module")?;
        if let Payload::ExportSection(section) = payload {
            let exports = section.into_iter().collect::<Result<Vec<_>, _>>();
            trimmed.section(&kept(&exports.context("cannot read the filter's exports")?)?);
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).context("a section lies outside the filter")?;
            trimmed.section(&RawSection { id, data });
        }
    }
    Ok(trimmed.finish())
}

fn kept(exports: &[Export<'_>]) -> Result<ExportSection> {
    let is_there = |name: &str| exports.iter().any(|export| export.name == name);
    if let Some((name, _)) = IMPLEMENTED.iter().find(|(name, _)| !is_there(name)) {
        bail!("the filter does not export {name}: is it of another version of the ABI?");
    }
    let mut section = ExportSection::new();
    for export in exports.iter().filter(|export| is_kept(export.name)) {
        section.export(export.name, kind(export.kind), export.index);
    }
    Ok(section)
}

fn is_kept(name: &str) -> bool {
    let is_implemented = IMPLEMENTED.iter().any(|(implemented, _)| *implemented == name);
    is_implemented || name == ALLOCATE || !name.starts_with(CALLBACK)
}

const fn kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use wasm_encoder::{CodeSection, Function, FunctionSection, MemorySection, TypeSection};

    /// A module with a memory and one function, exported under all of `names`.
    fn module(names: &[&str]) -> Vec<u8> {
        let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
        types.ty().function([], []);
        functions.function(0);
        let mut memories = MemorySection::new();
        let (minimum, maximum) = (1, None);
        let (memory64, shared, page_size_log2) = (false, false, None);
        let memory =
            wasm_encoder::MemoryType { minimum, maximum, memory64, shared, page_size_log2 };
        memories.memory(memory);
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        names.iter().for_each(|name| {
            exports.export(name, ExportKind::Func, 0);
        });
        let mut body = Function::new([]);
        body.instructions().end();
        let mut code = CodeSection::new();
        code.function(&body);
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&memories);
        module.section(&exports).section(&code);
        module.finish()
    }

    const OTHERS: [&str; 4] =
        ["malloc", "proxy_on_memory_allocate", "_initialize", "proxy_abi_version_0_2_1"];

    fn implemented() -> Vec<&'static str> {
        OTHERS.into_iter().chain(IMPLEMENTED.map(|(name, _)| name)).collect()
    }

    #[test]
    fn only_implemented_callbacks_remain_exported() {
        let dropped = ["proxy_on_vm_start", "proxy_on_log", "proxy_on_request_body"];
        let all: Vec<_> = dropped.into_iter().chain(implemented()).collect();
        let expected = module(&implemented());
        assert_eq!(trimmed(&module(&all)).unwrap(), expected);
        assert_eq!(trimmed(&expected).unwrap(), expected);
    }

    #[test]
    fn a_module_without_an_implemented_callback_is_refused() {
        let error = trimmed(&module(&OTHERS)).unwrap_err().to_string();
        assert!(error.contains("proxy_on_context_create"), "{error}");
        assert!(trimmed(b"something else").is_err());
    }

    /// The callbacks that contexts of the filter implement are those that Envoy is to call.
    #[test]
    fn the_callbacks_are_those_of_the_filter() {
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
