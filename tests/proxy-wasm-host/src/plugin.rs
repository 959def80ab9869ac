//! A compiled plugin. Compiling takes a second or so; starting a VM from it, microseconds. One
//! serves any number of VMs on any number of threads.

use crate::imports;
use crate::state::HostState;
use wasmtime::{Config, Engine, InstancePre, Module, OptLevel};

/// The instructions that one callback may take: a plugin that loops for ever crashes.
pub const MAX_FUEL: u64 = 5_000_000_000;
/// The most memory that a VM may have; past that, Envoy's V8 fails the same way.
pub const MAX_MEMORY_BYTES: usize = 1 << 30;

/// A plugin, ready to be started.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) engine: Engine,
    pub(crate) instance: InstancePre<HostState>,
}

/// A module that is no plugin of proxy-wasm 0.2.1.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not compile, or it imports what this host has not.
    #[error("expected a WebAssembly module that imports proxy-wasm 0.2.1, found: {0}")]
    Module(String),
    /// It does not say that it speaks this version.
    #[error("expected the export proxy_abi_version_0_2_1: is this a plugin for another version?")]
    Version,
    /// The host has no memory or function to give things with.
    #[error("expected the exports `memory` and `malloc` or `proxy_on_memory_allocate`")]
    Memory,
}

impl Plugin {
    /// Compiles `module`: WebAssembly, or its text form.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn compile(module: &[u8]) -> Result<Self, LoadError> {
        let mut config = Config::new();
        config.consume_fuel(true);
        // In a test this compiler is itself compiled without optimization, and most of its time goes
        // into optimizing: the plugin runs fast enough without.
        config.cranelift_opt_level(OptLevel::None);
        let bad = |error: wasmtime::Error| LoadError::Module(format!("{error:#}"));
        let engine = Engine::new(&config).map_err(bad)?;
        let module = Module::new(&engine, module).map_err(bad)?;
        let exports = |name: &str| module.get_export(name).is_some();
        if !exports("proxy_abi_version_0_2_1") {
            return Err(LoadError::Version);
        }
        if !exports("memory") || !(exports("malloc") || exports("proxy_on_memory_allocate")) {
            return Err(LoadError::Memory);
        }
        let linker = imports::linker(&engine).map_err(bad)?;
        let instance = linker.instantiate_pre(&module).map_err(bad)?;
        Ok(Self { engine, instance })
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_refused_with_the_reason() {
        let check = |module: &str, expected: &str| {
            let error = Plugin::compile(module.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("(module", "expected a WebAssembly module");
        check("(module)", "proxy_abi_version_0_2_1");
        let version = r#"(func (export "proxy_abi_version_0_2_1"))"#;
        check(&format!("(module {version})"), "expected the exports `memory`");
        let memory = r#"(memory (export "memory") 1)
            (func (export "malloc") (param i32) (result i32) (i32.const 0))"#;
        let import = r#"(import "env" "proxy_fly" (func))"#;
        check(&format!("(module {import} {version} {memory})"), "env::proxy_fly");
        Plugin::compile(format!("(module {version} {memory})").as_bytes()).unwrap();
    }
}
