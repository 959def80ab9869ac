//! PostgreSQL for the backend's tests: from `$TOLLGATE_POSTGRES`, or Debian's.

use super::cache;
use super::debian::{self, Apt};
use crate::{env, progress};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The required programs.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_isready"];
/// The folder with a subfolder per version in Debian's package.
const DEBIAN_VERSIONS: &str = "usr/lib/postgresql";

/// Returns the folder of PostgreSQL's programs: `$TOLLGATE_POSTGRES`, or else Debian's, unpacked into
/// the cache folder.
///
/// # Errors
/// Fails if a program is missing or cannot be fetched. The error says what to do.
pub fn postgres() -> Result<PathBuf> {
    if let Some(named) = env::path(env::POSTGRES) {
        if !has_programs(&named) {
            bail!("{}: expected a folder with {}", env::POSTGRES, PROGRAMS.join(", "));
        }
        return Ok(named);
    }
    debian_postgres().with_context(|| {
        format!("cannot get PostgreSQL, which the tests need; set {} to use another", env::POSTGRES)
    })
}

fn has_programs(dir: &Path) -> bool {
    PROGRAMS.iter().all(|program| env::is_executable(&dir.join(program)))
}

/// Returns the program folder of the newest version below `root`.
fn newest(root: &Path) -> Option<PathBuf> {
    let versions = debian::list(&root.join(DEBIAN_VERSIONS)).ok()?;
    versions.into_iter().map(|version| version.join("bin")).rfind(|dir| dir.is_dir())
}

/// Returns the program folder of Debian's PostgreSQL. Debian's layout is kept, because a server finds
/// its files relative to its own path.
fn debian_postgres() -> Result<PathBuf> {
    let place = cache::entry("debian-postgresql-1", |place| {
        progress::say("fetching Debian's PostgreSQL");
        let lists = place.join("apt");
        std::fs::create_dir(&lists)
            .with_context(|| format!("cannot create {}", lists.display()))?;
        Apt::with_lists(&lists, |apt| apt.unpack(&packages(apt)?, place))?;
        std::fs::remove_dir_all(&lists)
            .with_context(|| format!("cannot remove {}", lists.display()))?;
        let programs = newest(place).context("Debian's package contains no PostgreSQL")?;
        debian::move_libraries(place, &programs.join("../lib"))?;
        for program in PROGRAMS {
            let (file, real) = (programs.join(program), format!("{program}.real"));
            std::fs::rename(&file, programs.join(&real))
                .with_context(|| format!("Debian's package contains no {program}"))?;
            debian::write_wrapper(&file, &real)?;
        }
        Ok(())
    })?;
    newest(&place).with_context(|| format!("{} contains no PostgreSQL", place.display()))
}

/// Returns the packages of the server, the client, and the libraries that this machine lacks, except
/// LLVM, which only speeds up long queries.
fn packages(apt: &Apt) -> Result<Vec<String>> {
    let depends = apt.depends(&["postgresql".to_owned()])?;
    let server = depends.into_iter().find(|name| name.starts_with("postgresql-"));
    let server = server.context("Debian has no package postgresql")?;
    let client = server.replace("postgresql-", "postgresql-client-");
    let mut packages = vec![server, client];
    let libraries = apt.missing_libraries(&packages)?;
    packages.extend(libraries.into_iter().filter(|name| !name.starts_with("libllvm")));
    Ok(packages)
}
