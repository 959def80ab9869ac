//! Unpacks Debian packages into a private folder, without root and without installing anything.
//!
//! apt checks every package against the archive's signatures, as for an installation.

use crate::{command, env, progress};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOOK_UP_LIMIT: Duration = Duration::from_secs(60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// Libraries present on every Debian machine with a C compiler.
const BASE_LIBRARIES: [&str; 3] = ["libc6", "libgcc-s1", "libcrypt1"];

/// The apt tools, with the machine's package lists or private ones.
#[derive(Debug)]
pub struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// Runs `work` with the machine's package lists. If that fails, because they are missing or old,
    /// runs it again with fresh lists kept in `dir`.
    ///
    /// # Errors
    /// Fails if apt is missing, or if the second try fails.
    pub fn with_lists<T>(dir: &Path, work: impl Fn(&Self) -> Result<T>) -> Result<T> {
        for tool in ["apt-get", "apt-cache", "dpkg-deb", "dpkg-query"] {
            if env::on_path(tool).is_none() {
                bail!("{tool} is not on the PATH: this needs a Debian machine");
            }
        }
        let system = Self { options: Vec::new() };
        if let Ok(done) = work(&system) {
            return Ok(done);
        }
        crate::signals::check()?;
        progress::say("refreshing Debian's package lists");
        let private = Self::private(dir)?;
        command::output(private.tool("apt-get").arg("update"), DOWNLOAD_LIMIT)?;
        work(&private)
    }

    /// Creates private lists and caches, which can be refreshed without root.
    fn private(dir: &Path) -> Result<Self> {
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            let folder = dir.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let options = vec![
            format!("Dir::State={}/state", dir.display()),
            "Dir::State::status=/var/lib/dpkg/status".to_owned(),
            format!("Dir::Cache={}/cache", dir.display()),
            // Fail if a list cannot be fetched, instead of continuing without it.
            "APT::Update::Error-Mode=any".to_owned(),
        ];
        Ok(Self { options })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        // Files go to the caller's folder, which apt's unprivileged user cannot enter.
        command.args(["-q", "-o", "APT::Sandbox::User=root"]);
        command.env("LC_ALL", "C");
        command.args(self.options.iter().flat_map(|option| ["-o", option]));
        command
    }

    /// Returns the version of `package` that would be downloaded.
    ///
    /// # Errors
    /// Fails if the package does not exist.
    pub fn version(&self, package: &str) -> Result<String> {
        let shown = command::output(
            self.tool("apt-cache").args(["show", "--no-all-versions", package]),
            LOOK_UP_LIMIT,
        )?;
        let version = shown.lines().find_map(|line| line.strip_prefix("Version: "));
        Ok(version.with_context(|| format!("Debian has no package {package}"))?.to_owned())
    }

    /// Returns the direct dependencies of `packages`, and the first of any alternatives.
    ///
    /// # Errors
    /// Fails if a package does not exist.
    pub fn depends(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut tool = self.tool("apt-cache");
        Ok(dependencies(&command::output(tool.arg("depends").args(packages), LOOK_UP_LIMIT)?))
    }

    /// Returns the libraries that `packages` need, directly or indirectly, and that this machine
    /// lacks.
    ///
    /// # Errors
    /// Fails if a package does not exist.
    pub fn missing_libraries(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut missing = BTreeSet::new();
        let mut next = packages.to_vec();
        // The dependencies of installed libraries are installed, so this ends soon.
        while !next.is_empty() {
            let found = self.depends(&next)?;
            next = found.into_iter().filter(|name| is_library_package(name)).collect();
            next.retain(|name| {
                !packages.contains(name) && !missing.contains(name) && !is_installed(name)
            });
            missing.extend(next.iter().cloned());
        }
        Ok(missing.into_iter().collect())
    }

    /// Downloads `packages` and unpacks them into `tree`.
    ///
    /// # Errors
    /// Fails if a package cannot be downloaded or unpacked.
    pub fn unpack(&self, packages: &[String], tree: &Path) -> Result<()> {
        let files =
            tempfile::tempdir_in(tree).context("cannot create a folder for the packages")?;
        let mut download = self.tool("apt-get");
        download.arg("download").args(packages).current_dir(files.path());
        command::output(&mut download, DOWNLOAD_LIMIT)?;
        for file in list(files.path())? {
            command::output(
                Command::new("dpkg-deb").arg("-x").arg(&file).arg(tree),
                LOOK_UP_LIMIT,
            )?;
        }
        Ok(())
    }
}

/// Parses the output of `apt-cache depends` into names. Alternatives are a run of `|Depends:` lines
/// that ends with a `Depends:` line; only the first is returned. Virtual packages, in angle brackets,
/// are skipped.
fn dependencies(shown: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_alternatives = false;
    for line in shown.lines() {
        let text = line.trim_start();
        let has_alternative = text.starts_with('|');
        let text = text.trim_start_matches('|').trim_start_matches("Pre");
        let Some(name) = text.strip_prefix("Depends: ") else { continue };
        if !in_alternatives && !name.starts_with('<') {
            names.push(name.to_owned());
        }
        in_alternatives = has_alternative;
    }
    names
}

/// Returns true for library packages, except Rust's standard library, which is laid out separately.
fn is_library_package(name: &str) -> bool {
    name.starts_with("lib") && !name.starts_with("libstd-rust") && !BASE_LIBRARIES.contains(&name)
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}", package]);
    // dpkg-query fails for unknown packages.
    command::output(&mut query, LOOK_UP_LIMIT).is_ok_and(|status| status == "installed")
}

/// Returns the files and folders in `dir`, sorted.
///
/// # Errors
/// Fails if `dir` cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Moves the shared libraries of an unpacked `tree` into the folder `to`.
///
/// # Errors
/// Fails if a library cannot be moved.
pub fn move_libraries(tree: &Path, to: &Path) -> Result<()> {
    for parent in ["usr/lib", "lib"].map(|folder| tree.join(folder)) {
        if !parent.is_dir() {
            continue;
        }
        for folder in list(&parent)?.into_iter().filter(|path| is_multiarch(path)) {
            for file in list(&folder)?.into_iter().filter(|path| is_library(path)) {
                let name = file.file_name().unwrap_or_default();
                std::fs::rename(&file, to.join(name))
                    .with_context(|| format!("cannot move {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// Returns true for folders such as `x86_64-linux-gnu`.
fn is_multiarch(path: &Path) -> bool {
    path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu")
}

fn is_library(path: &Path) -> bool {
    !path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"))
}

/// Writes a script at `path` that runs `program`, from the same folder, with the libraries in
/// `../lib`. The script still works after its folder has moved.
///
/// # Errors
/// Fails if the script cannot be written.
pub fn write_wrapper(path: &Path, program: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\n\
         LD_LIBRARY_PATH=\"$here/../lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\" exec \"$here/{program}\" \"$@\"\n"
    );
    std::fs::write(path, script)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_alternatives_is_taken() {
        let shown = "\
redis-tools
  PreDepends: init
  Depends: libc6
 |Depends: libsystemd0
  Depends: libelogind0
  Depends: <libvirtual>
    libreal
  Depends: libssl3
  Recommends: libelse
libssl3
  Depends: libz
";
        assert_eq!(dependencies(shown), ["init", "libc6", "libsystemd0", "libssl3", "libz"]);
    }

    #[test]
    fn a_wrapper_works_after_its_folder_has_moved() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("made/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/sh", bin.join("program")).unwrap();
        write_wrapper(&bin.join("wrapper"), "program").unwrap();
        let moved = dir.path().join("with a space");
        std::fs::rename(dir.path().join("made"), &moved).unwrap();
        let mut command = Command::new(moved.join("bin/wrapper"));
        command.args(["-c", "echo $LD_LIBRARY_PATH"]).env_remove("LD_LIBRARY_PATH");
        let printed = command::output(&mut command, LOOK_UP_LIMIT).unwrap();
        assert_eq!(printed, format!("{}/../lib\n", moved.join("bin").display()));
    }
}
