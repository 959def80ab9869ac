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

    /// What `package` directly depends on.
    ///
    /// # Errors
    /// Where there is no such package.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let shown =
            command::output(self.tool("apt-cache").args(["depends", package]), LOOK_UP_LIMIT)?;
        let names = shown.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// The libraries that `packages` need, directly or not, and that this machine does not have.
    ///
    /// # Errors
    /// Where one of `packages` does not exist.
    pub fn missing_libraries(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut tool = self.tool("apt-cache");
        tool.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]);
        tool.args(["--no-breaks", "--no-replaces", "--no-enhances"]).args(packages);
        let shown = command::output(&mut tool, LOOK_UP_LIMIT)?;
        // A package's name stands at the line's start, without its architecture if it is ours.
        let names = shown.lines().filter(|line| line.starts_with("lib") && !line.contains(':'));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let wanted = |name: &String| {
            !packages.contains(name)
                && !BASE_LIBRARIES.contains(&name.as_str())
                && !name.starts_with("libstd-rust")
                && !is_installed(name)
        };
        Ok(names.into_iter().filter(wanted).collect())
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
