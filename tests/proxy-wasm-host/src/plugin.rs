//! A compiled plugin. Compiling takes about a second; starting a VM from it takes microseconds. One
//! compiled plugin serves any number of VMs on any number of threads.

use crate::imports;
use crate::state::HostState;
use wasmtime::{Config, Engine, InstancePre, Module, OptLevel};

/// The maximum number of instructions in one callback. An endless loop becomes a crash.
pub const MAX_FUEL: u64 = 5_000_000_000;
/// The maximum memory of a VM. Beyond it, growing fails as it does in Envoy's V8.
pub const MAX_MEMORY_BYTES: usize = 1 << 30;

/// A compiled plugin, ready to start.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) engine: Engine,
    pub(crate) instance: InstancePre<HostState>,
}

/// The reason that a module is not a proxy-wasm 0.2.1 plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not compile, or it imports a function that this host lacks.
    #[error("expected a WebAssembly module that imports proxy-wasm 0.2.1, found: {0}")]
    Module(String),
    /// It does not declare this ABI version.
    #[error("expected the export proxy_abi_version_0_2_1: is this a plugin for another version?")]
    Version,
    /// It exports no memory, or no function to allocate in it.
    #[error("expected the exports `memory` and `malloc` or `proxy_on_memory_allocate`")]
    Memory,
}

impl Plugin {
    /// Compiles `module`, in WebAssembly's binary or text format.
    ///
    /// # Errors
    /// [`LoadError`] if the module is not a proxy-wasm 0.2.1 plugin.
    pub fn compile(module: &[u8]) -> Result<Self, LoadError> {
        let mut config = Config::new();
        config.consume_fuel(true);
        // In tests the compiler itself is unoptimized, and optimizing is most of its work. The
        // plugin runs fast enough without.
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
    fn a_module_that_is_not_a_plugin_is_rejected_with_the_reason() {
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
