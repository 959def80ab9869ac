//! The folder of a running stack, and the process that owns it.
//!
//! The process that runs the stack holds the folder's lock, so a folder has at most one stack. The
//! state file has the process id *and* the start time of that process, so another process with a
//! reused id is never mistaken for it.

use anyhow::{Context, Result, bail};
use harness::paths;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder locked by this process.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// A process that runs a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process id.
    pub pid: u32,
    /// The process's start time, in clock ticks since boot.
    pub started_ticks: u64,
}

impl StateDir {
    /// Locks the folder `path`, or the default one.
    ///
    /// # Errors
    /// Fails if a stack is already running in it, or if it cannot be written.
    pub fn claim(path: Option<&Path>) -> Result<Self> {
        let flag = path.map(|path| format!(" --state-dir {}", path.display())).unwrap_or_default();
        let path = resolve(path)?;
        let lock = path.join("lock");
        let file =
            File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, _lock: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "a stack is already running in {}: stop it with `cargo xtask down{flag}`, or choose another --state-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock.display()))
            }
        }
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records in the state file that the stack is healthy and that this process runs it.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn record(&self) -> Result<()> {
        let pid = std::process::id();
        let started_ticks =
            started_ticks(pid).context("cannot read this process's start time from /proc")?;
        let owner = Owner { pid, started_ticks };
        let text = serde_json::to_string(&owner).context("cannot serialize the state")?;
        // The write is atomic, since another process can be polling the file.
        let (new, file) = (self.path.join("state.new"), state_file(&self.path));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Fails if the file was never written.
        let _ = std::fs::remove_file(state_file(&self.path));
    }
}

impl Owner {
    /// Returns the process that runs a stack in the folder `path`, or in the default one. Returns
    /// `None` if no stack is running there.
    ///
    /// # Errors
    /// Fails if the folder or its state file cannot be read.
    pub fn of(path: Option<&Path>) -> Result<Option<Self>> {
        let file = state_file(&resolve(path)?);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let owner: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: remove it", file.display()))?;
        Ok(Some(owner).filter(Self::runs))
    }

    /// Returns true if the process is still running.
    #[must_use]
    pub fn runs(&self) -> bool {
        started_ticks(self.pid) == Some(self.started_ticks)
    }
}

/// Writes `bytes` to `file` atomically. Only the owner can read the file.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        // A temporary file has mode 0600.
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(bytes)?;
        new.persist(file).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", file.display()))
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

/// Creates the folder if it does not exist and returns its absolute path.
fn resolve(path: Option<&Path>) -> Result<PathBuf> {
    let path = path.map_or_else(paths::state_dir, Path::to_owned);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

/// Returns the start time of the process `pid`, or `None` if it does not exist or is a zombie.
fn started_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, can contain spaces. After it come field 3, the state, and later field
    // 22, the start time.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_at_most_one_stack() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None);
        let state = StateDir::claim(Some(dir.path())).unwrap();
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None, "it is not healthy yet");
        state.record().unwrap();
        let owner = Owner::of(Some(dir.path())).unwrap().unwrap();
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.runs());
        let second = StateDir::claim(Some(dir.path())).unwrap_err().to_string();
        assert!(second.starts_with("a stack is already running in "), "{second}");
        drop(state);
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None);
        StateDir::claim(Some(dir.path())).unwrap();
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mine = started_ticks(std::process::id()).unwrap();
        let stranger = Owner { pid: std::process::id(), started_ticks: mine + 1 };
        std::fs::write(dir.path().join("state.json"), serde_json::to_string(&stranger).unwrap())
            .unwrap();
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None);
    }

    #[test]
    fn a_damaged_state_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.json"), "{").unwrap();
        let error = Owner::of(Some(dir.path())).unwrap_err().to_string();
        assert!(error.ends_with("state.json is damaged: remove it"), "{error}");
    }
}
