//! Python programs with their dependencies, fetched by pip into a separate folder each.

use super::cache;
use crate::{command, env, paths, progress};
use anyhow::{Result, bail};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The timeout of `pip install`.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// The timeout of asking Python for its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);
/// The file with the pinned packages, relative to the repository's root.
const PINNED: &str = "tests/harness/src/setup/schemathesis.txt";
/// The text of [`PINNED`], which is part of the cache key.
const PINNED_TEXT: &str = include_str!("schemathesis.txt");

/// A Python program and the folder of its packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonProgram {
    packages: PathBuf,
    script: &'static str,
}

impl PythonProgram {
    /// Returns a command that runs the program. Callers add its arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg(self.packages.join("bin").join(self.script));
        command.env("PYTHONPATH", &self.packages);
        command
    }
}

/// Returns schemathesis, which generates requests from an OpenAPI document. Fetches it if it is
/// missing.
///
/// # Errors
/// Fails if Python or pip is missing or fails.
pub fn schemathesis() -> Result<PythonProgram> {
    if env::on_path("python3").is_none() {
        bail!("python3 is not on the PATH: install it with pip (Debian: python3-pip)");
    }
    let packages = cache::entry(&name(&python_version()?, PINNED_TEXT), |place| {
        progress::say("fetching schemathesis and its dependencies (60 MB)");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        pip.args(["--only-binary=:all:", "--constraint"]).arg(paths::root().join(PINNED));
        pip.arg("--target").arg(place).arg("schemathesis");
        command::output(&mut pip, INSTALL_LIMIT).map(drop)
    })?;
    Ok(PythonProgram { packages, script: "st" })
}

/// Returns Python's version, such as `3.11`. Packages compiled for one version do not load in another.
fn python_version() -> Result<String> {
    let mut python = Command::new("python3");
    python.args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    Ok(command::output(&mut python, VERSION_LIMIT)?.trim().to_owned())
}

/// Returns the name of the cache entry for these packages.
fn name(python: &str, pinned: &str) -> String {
    let hash = Sha256::digest(pinned);
    let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("schemathesis-{hash}-python{python}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn each_version_of_python_or_a_package_has_its_own_entry() {
        let first = name("3.11", "schemathesis==1");
        assert_eq!(first, name("3.11", "schemathesis==1"));
        assert_ne!(first, name("3.12", "schemathesis==1"));
        assert_ne!(first, name("3.11", "schemathesis==2"));
    }

    #[test]
    fn a_program_finds_its_own_packages() {
        let command = PythonProgram { packages: "/cache/x".into(), script: "st" }.command();
        assert_eq!(command::name_of(&command), "python3 /cache/x/bin/st");
        let env: Vec<_> = command.get_envs().collect();
        assert_eq!(env, [(OsStr::new("PYTHONPATH"), Some(OsStr::new("/cache/x")))]);
    }
}
