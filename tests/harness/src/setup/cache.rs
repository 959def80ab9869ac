//! Entries of the cache folder. Each is built in a temporary folder and then moved into place.

use crate::{paths, progress, signals};
use anyhow::{Context, Result};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The prefix of the temporary folders in which entries are built.
const PARTIAL: &str = ".partial-";

/// Returns the entry `name` of the user's cache folder, and builds it with `make` if it is missing.
///
/// # Errors
/// Fails if `make` does, or if the folder cannot be written. No entry is left then.
pub fn entry(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    entry_in(&paths::cache_dir()?, name, make)
}

/// Does the same as [`entry`] in the cache folder `dir`.
///
/// # Errors
/// Same as [`entry`].
pub fn entry_in(dir: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = dir.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let _lock = lock(dir)?;
    if place.is_dir() {
        return Ok(place);
    }
    sweep(dir)?;
    let partial = tempfile::Builder::new()
        .prefix(PARTIAL)
        .tempdir_in(dir)
        .with_context(|| format!("cannot create a folder in {}", dir.display()))?;
    make(partial.path())?;
    let made = partial.keep();
    open_to_all(&made)?;
    std::fs::rename(&made, &place)
        .with_context(|| format!("cannot move {} to {}", made.display(), place.display()))?;
    Ok(place)
}

/// Makes `dir` readable for everyone. A temporary folder is private to its owner.
fn open_to_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot set the permissions of {}", dir.display()))
}

/// Locks the cache folder, after waiting for any other process that holds the lock. Closing the file
/// releases it.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut has_reported = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        if !std::mem::replace(&mut has_reported, true) {
            progress::say("waiting for another setup to finish");
        }
        signals::check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Removes the temporary folders of a killed setup. Only the holder of the lock creates them.
fn sweep(dir: &Path) -> Result<()> {
    for entry in dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            std::fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn names(dir: &Path) -> Vec<String> {
        let entries = dir.read_dir().unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_entry_is_built_once() {
        let dir = tempfile::tempdir().unwrap();
        let made = AtomicU32::new(0);
        let make = || {
            entry_in(dir.path(), "thing", |place| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(std::fs::write(place.join("file"), "content")?)
            })
        };
        // Two run at the same time, then one more.
        std::thread::scope(|scope| {
            scope.spawn(|| make().unwrap());
            scope.spawn(|| make().unwrap());
        });
        let place = make().unwrap();
        assert_eq!(std::fs::read_to_string(place.join("file")).unwrap(), "content");
        assert_eq!(made.into_inner(), 1);
        assert_eq!(names(dir.path()), ["lock", "thing"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let error = entry_in(dir.path(), "thing", |place| {
            std::fs::write(place.join("half"), "")?;
            bail!("no luck")
        });
        assert_eq!(error.unwrap_err().to_string(), "no luck");
        assert_eq!(names(dir.path()), ["lock"]);
    }

    #[test]
    fn the_leftovers_of_a_killed_setup_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".partial-abc")).unwrap();
        entry_in(dir.path(), "thing", |_| Ok(())).unwrap();
        assert_eq!(names(dir.path()), ["lock", "thing"]);
    }
}
