//! The folder of a running stack: whose it is, and which process to tell to end.
//!
//! The folder's lock is held by the process that runs the stack, so there is one stack a folder.
//! The state file names that process by its id *and* the time it started: an id that another
//! process has got in the meantime is never mistaken for it.

use anyhow::{Context, Result, bail};
use harness::paths;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder, held by this process.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// A process that runs a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub started_ticks: u64,
}

impl StateDir {
    /// Takes the folder `path`, or the default one.
    ///
    /// # Errors
    /// Where a stack runs in it already, or it cannot be written.
    pub fn claim(path: Option<&Path>) -> Result<Self> {
        let flag = path.map(|path| format!(" --state-dir {}", path.display())).unwrap_or_default();
        let path = resolve(path)?;
        let lock = path.join("lock");
        let file =
            File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, _lock: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "a stack runs already with its state in {}: end it with `cargo xtask down{flag}`, or choose another --state-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock.display()))
            }
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells that the stack is healthy, and that this process runs it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn record(&self) -> Result<()> {
        let pid = std::process::id();
        let started_ticks =
            started_ticks(pid).context("/proc does not tell when this process started")?;
        let text = serde_json::to_string(&Owner { pid, started_ticks }).context("the state")?;
        // Whole or not at all: another process may be waiting for it.
        let (new, file) = (self.path.join("state.new"), state_file(&self.path));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // It may not have been written.
        let _ = std::fs::remove_file(state_file(&self.path));
    }
}

impl Owner {
    /// The process that runs the stack in the folder `path` (or the default one), if one does.
    ///
    /// # Errors
    /// Where the folder or its state file cannot be read.
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

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        started_ticks(self.pid) == Some(self.started_ticks)
    }
}

/// Writes `bytes` to `file`, whole or not at all, so that only its owner can read it.
///
/// # Errors
/// Where that is not possible.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        // Made with mode 0600.
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(bytes)?;
        new.persist(file).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", file.display()))
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

/// The folder, created, with its whole path.
fn resolve(path: Option<&Path>) -> Result<PathBuf> {
    let path = path.map_or_else(paths::state_dir, Path::to_owned);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

/// When the process `pid` started; `None` if there is none, or it has ended and waits to be reaped.
fn started_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces. After it: field 3, the state; field 22, the start.
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
    fn a_folder_has_one_stack() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None);
        let state = StateDir::claim(Some(dir.path())).unwrap();
        assert_eq!(Owner::of(Some(dir.path())).unwrap(), None, "it is not healthy yet");
        state.record().unwrap();
        let owner = Owner::of(Some(dir.path())).unwrap().unwrap();
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.runs());
        let second = StateDir::claim(Some(dir.path())).unwrap_err().to_string();
        assert!(second.starts_with("a stack runs already with its state in "), "{second}");
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
