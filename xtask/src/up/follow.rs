//! Shows decisions live, from Envoy's access log.

use super::policy::Watched;
use super::running::Running;
use anyhow::{Context, Result};
use harness::signals;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
/// The most bytes read at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// Follows the decisions of `running` until a signal arrives, and prints them if `shown`. Applies
/// changes of the policy meanwhile.
///
/// # Errors
/// Fails if a part of the stack ends by itself.
pub fn until_ended(running: &mut Running, policy: &mut Watched, shown: bool) -> Result<()> {
    let mut lines = Lines::of(running.access_log())?;
    while !signals::interrupted() {
        running.check()?;
        policy.look();
        let new = lines.read()?;
        if shown {
            // The stack keeps running if stdout is closed.
            let _ = std::io::stdout().write_all(new.as_bytes());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// A reader of complete lines appended to a file.
struct Lines {
    file: File,
    rest: Vec<u8>,
}

impl Lines {
    fn of(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { file, rest: Vec::new() })
    }

    /// Returns the lines completed since the last call.
    fn read(&mut self) -> Result<String> {
        let mut block = Vec::new();
        (&self.file)
            .take(BLOCK_BYTES)
            .read_to_end(&mut block)
            .context("cannot read the access log")?;
        self.rest.extend(block);
        let whole = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn complete_lines_are_returned_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut lines = Lines::of(&path).unwrap();
        assert_eq!(lines.read().unwrap(), "one\n");
        assert_eq!(lines.read().unwrap(), "");
        let mut log = OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(b"o\nthree\n").unwrap();
        assert_eq!(lines.read().unwrap(), "two\nthree\n");
    }
}
