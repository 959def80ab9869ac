//! Checks that the built dynamic module loads in Envoy's images: which libraries it needs, and which
//! version of the C library. Called by [`crate::build`] and [`crate::test`].

use anyhow::{Context, Result, bail};
use object::elf::DT_NEEDED;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use std::fmt;
use std::path::Path;

/// The C library's own files. Envoy's images have them, and Envoy loads them itself.
const LIBRARIES: [&str; 6] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
];
/// The newest version of glibc that the module may need: that of the image `envoyproxy/envoy`.
pub(crate) const GLIBC: Version = Version(2, 35);
/// The prefix of the functions that Envoy provides.
const ENVOYS: &str = "envoy_dynamic_module_callback_";

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Checks the module in `file`, and prints what it needs.
///
/// # Errors
/// Fails if the file is not a 64-bit ELF file, or needs something that Envoy's images lack.
pub(crate) fn check(file: &Path) -> Result<()> {
    let needs = Needs::read(file)?;
    let newest = needs.check().with_context(|| format!("{} cannot be shipped", file.display()))?;
    println!(
        "the module needs {} and glibc {newest} (at most {GLIBC})",
        needs.libraries.join(", ")
    );
    Ok(())
}

/// What a shared library needs from others.
#[derive(Debug, Default)]
struct Needs {
    /// The files of other libraries.
    libraries: Vec<String>,
    /// The versions of symbols, such as `GLIBC_2.34`.
    versions: Vec<String>,
    /// The symbols without a version. The file loads only if the program has them.
    others: Vec<String>,
}

impl Needs {
    fn read(file: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&bytes)
            .with_context(|| format!("{} is not a valid shared library", file.display()))
    }

    fn parse(bytes: &[u8]) -> object::Result<Self> {
        let elf = ElfFile64::<Endianness>::parse(bytes)?;
        let (endian, sections) = (elf.endian(), elf.elf_section_table());
        let mut needs = Self::default();
        let dynamic = elf.elf_dynamic_table()?;
        for entry in dynamic.iter().filter(|entry| entry.tag == DT_NEEDED) {
            needs.libraries.push(text(dynamic.string(entry)?));
        }
        if let Some((mut files, strings)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            while let Some((_, mut versions)) = files.next()? {
                while let Some(version) = versions.next()? {
                    needs.versions.push(text(version.name(endian, strings)?));
                }
            }
        }
        let versions = sections.versions(endian, bytes)?.unwrap_or_default();
        for symbol in elf.dynamic_symbols().filter(|symbol| symbol.is_undefined()) {
            let version = versions.version(versions.version_index(endian, symbol.index()))?;
            // A weak symbol may be missing, and the first entry of the table has no name.
            let name = symbol.name_bytes()?;
            if version.is_none() && !symbol.is_weak() && !name.is_empty() {
                needs.others.push(text(name));
            }
        }
        Ok(needs)
    }

    /// Returns the oldest version of glibc that has everything.
    fn check(&self) -> Result<Version> {
        let known = |library: &&String| !LIBRARIES.contains(&library.as_str());
        if let Some(library) = self.libraries.iter().find(known) {
            bail!(
                "it needs {library}, which Envoy's images may lack: expected only {}",
                LIBRARIES.join(", ")
            );
        }
        if let Some(symbol) = self.others.iter().find(|symbol| !symbol.starts_with(ENVOYS)) {
            bail!("it needs the symbol {symbol}, which neither Envoy nor the C library has");
        }
        let mut newest = Version(0, 0);
        for name in &self.versions {
            // Features have names instead of numbers, such as `GLIBC_ABI_DT_RELR` of glibc 2.36.
            match version(name) {
                Some(version) if version <= GLIBC => newest = newest.max(version),
                _ => bail!("it needs {name}: expected a version of glibc up to {GLIBC}"),
            }
        }
        Ok(newest)
    }
}

/// Returns the version in a name such as `GLIBC_2.34` or `GLIBC_2.2.5`.
fn version(name: &str) -> Option<Version> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(|number| number.parse().ok());
    Some(Version(numbers.next()??, numbers.next()??))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(libraries: &[&str], versions: &[&str], others: &[&str]) -> Needs {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Needs { libraries: owned(libraries), versions: owned(versions), others: owned(others) }
    }

    #[test]
    fn the_newest_version_is_found() {
        let callback = format!("{ENVOYS}log");
        let module =
            needs(&["libc.so.6"], &["GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.2.5"], &[&callback]);
        assert_eq!(module.check().unwrap(), Version(2, 34));
        assert_eq!(needs(&[], &["GLIBC_2.35"], &[]).check().unwrap(), GLIBC);
    }

    #[test]
    fn what_envoys_images_lack_is_refused() {
        let check = |module: Needs, expected: &str| {
            let error = module.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        let libgcc = needs(&["libc.so.6", "libgcc_s.so.1"], &["GLIBC_2.34"], &[]);
        check(libgcc, "it needs libgcc_s.so.1, which Envoy's images may lack");
        check(needs(&[], &["GLIBC_2.36"], &[]), "it needs GLIBC_2.36: expected a version");
        check(needs(&[], &["GLIBC_ABI_DT_RELR"], &[]), "it needs GLIBC_ABI_DT_RELR: expected");
        check(needs(&[], &["GLIBC_3.0"], &[]), "it needs GLIBC_3.0: expected");
        check(needs(&[], &[], &["_Unwind_Resume"]), "it needs the symbol _Unwind_Resume,");
    }

    /// This test is a program that needs libgcc_s, as the module would without its build script.
    #[test]
    fn a_files_needs_are_read() {
        let this = std::env::current_exe().unwrap();
        let needs = Needs::read(&this).unwrap();
        for library in ["libc.so.6", "libgcc_s.so.1"] {
            assert!(needs.libraries.iter().any(|found| found == library), "{needs:?}");
        }
        assert!(needs.versions.iter().any(|name| name.starts_with("GLIBC_2.")), "{needs:?}");
        let error = format!("{:#}", check(&this).unwrap_err());
        assert!(error.contains("cannot be shipped: it needs libgcc_s.so.1"), "{error}");
        let text = harness::paths::root().join("Cargo.toml");
        let error = Needs::read(&text).unwrap_err().to_string();
        assert!(error.ends_with("is not a valid shared library"), "{error}");
    }
}
