//! Debian packages unpacked into a private folder: no root, and nothing installed.
//!
//! apt checks every package against the archive's signatures, as it does when it installs.

use crate::{command, env, progress};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOOK_UP_LIMIT: Duration = Duration::from_secs(60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// Libraries that every Debian machine with a C compiler has.
const BASE_LIBRARIES: [&str; 3] = ["libc6", "libgcc-s1", "libcrypt1"];

/// apt, with the machine's package lists or with private ones.
#[derive(Debug)]
pub struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// Runs `work` with the machine's package lists; if that fails, because they are missing or
    /// old, once more with fresh ones that are kept in `dir`.
    ///
    /// # Errors
    /// Where there is no apt, or the second try fails.
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

    /// Lists and caches of our own, so that no root is needed to refresh them.
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
            // Fail where a list cannot be had, instead of going on with none.
            "APT::Update::Error-Mode=any".to_owned(),
        ];
        Ok(Self { options })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        // The files go to the caller's own folder, which apt's unprivileged user cannot enter.
        command.args(["-q", "-o", "APT::Sandbox::User=root"]);
        command.env("LC_ALL", "C");
        command.args(self.options.iter().flat_map(|option| ["-o", option]));
        command
    }

    /// The version of `package` that would be downloaded.
    ///
    /// # Errors
    /// Where there is no such package.
    pub fn version(&self, package: &str) -> Result<String> {
        let shown = command::output(
            self.tool("apt-cache").args(["show", "--no-all-versions", package]),
            LOOK_UP_LIMIT,
        )?;
        let version = shown.lines().find_map(|line| line.strip_prefix("Version: "));
        Ok(version.with_context(|| format!("Debian has no package {package}"))?.to_owned())
    }

    /// What `packages` directly depend on; of alternatives, the first.
    ///
    /// # Errors
    /// Where there is no such package.
    pub fn depends(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut tool = self.tool("apt-cache");
        Ok(dependencies(&command::output(tool.arg("depends").args(packages), LOOK_UP_LIMIT)?))
    }

    /// The libraries that `packages` need, directly or not, and that this machine does not have.
    ///
    /// # Errors
    /// Where one of `packages` does not exist.
    pub fn missing_libraries(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut missing = BTreeSet::new();
        let mut next = packages.to_vec();
        // What an installed library needs is installed, so this soon comes to an end.
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
    /// Where one cannot be had or unpacked.
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

/// The names in what `apt-cache depends` shows: of a row of `|Depends:` and the `Depends:` that
/// ends it, the first. Virtual packages stand in angle brackets.
fn dependencies(shown: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_alternatives = false;
    for line in shown.lines() {
        let text = line.trim_start();
        let goes_on = text.starts_with('|');
        let text = text.trim_start_matches('|').trim_start_matches("Pre");
        let Some(name) = text.strip_prefix("Depends: ") else { continue };
        if !in_alternatives && !name.starts_with('<') {
            names.push(name.to_owned());
        }
        in_alternatives = goes_on;
    }
    names
}

/// Compilers' own libraries are laid out apart.
fn is_library_package(name: &str) -> bool {
    name.starts_with("lib") && !name.starts_with("libstd-rust") && !BASE_LIBRARIES.contains(&name)
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}", package]);
    // A package that dpkg has never heard of makes it fail.
    command::output(&mut query, LOOK_UP_LIMIT).is_ok_and(|status| status == "installed")
}

/// The files and folders in `dir`, sorted.
///
/// # Errors
/// Where `dir` cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Moves the shared libraries of an unpacked `tree` into `to`, without their folders.
///
/// # Errors
/// Where one cannot be moved.
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

/// `x86_64-linux-gnu` and its kin.
fn is_multiarch(path: &Path) -> bool {
    path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu")
}

fn is_library(path: &Path) -> bool {
    !path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"))
}

/// Writes a program at `path` that runs `program`, named from its own folder, with the libraries
/// of `../lib`. It works wherever its folder is moved.
///
/// # Errors
/// Where it cannot be written.
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
    fn of_alternatives_the_first_is_taken() {
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
    fn a_wrapper_runs_its_program_wherever_its_folder_is_moved() {
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
