//! Links the unwinder into the module, so that it does not need `libgcc_s.so.1`, which Envoy's
//! distroless image lacks.
//!
//! The standard library links `gcc_s`, and rustc has no flag to use the static library instead. So
//! the linker finds a script with that name first, which names GCC's static libraries.

use std::env;
use std::error::Error;
use std::path::PathBuf;

/// The two static libraries that GCC links for `-static-libgcc`: the unwinder, and what it needs.
const SCRIPT: &str = "INPUT(-lgcc_eh -lgcc)\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable, value| env::var_os(variable).is_some_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        let dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
        std::fs::write(dir.join("libgcc_s.so"), SCRIPT)?;
        println!("cargo::rustc-link-search=native={}", dir.display());
    }
    Ok(())
}
