//! `--detach`: starts a background process that runs the stack, and waits until the stack is healthy.

use super::Up;
use super::state::Owner;
use anyhow::{Context, Result, anyhow, bail};
use harness::clock::Deadline;
use harness::{paths, signals};
use rustix::process::{Pid, Signal, kill_process, setsid};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
/// The time that the background process has to stop the stack after an interrupt.
const GRACE: Duration = Duration::from_secs(60);
/// The prefix of the binary's error message.
pub const ERROR: &str = "error: ";

/// Starts the background process, shows its messages, and returns once the stack is healthy.
///
/// # Errors
/// Fails with the background process's error. If this process is interrupted, it stops the background
/// process and waits for it before returning.
pub fn run(up: &Up) -> Result<()> {
    let dir = up.state_dir.clone().unwrap_or_else(paths::state_dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // The log gets its name only after success, so that a second `up` in this folder cannot overwrite
    // the first one's log.
    let log = tempfile::Builder::new().prefix("up-").tempfile_in(&dir);
    let log = log.with_context(|| format!("cannot create a log in {}", dir.display()))?;
    let mut output = Output::new(log.path())?;
    let mut supervisor = start(log.as_file())?;
    await_health(&mut supervisor, &mut output, &dir)?;
    output.show()?;
    log.persist(dir.join("up.log")).context("cannot rename the log to up.log")?;
    Ok(())
}

/// Detaches the background process from the terminal, so that it survives its end.
///
/// # Errors
/// Fails if a new session cannot be created.
pub fn leave_terminal() -> Result<()> {
    setsid().context("cannot leave the terminal's session")?;
    Ok(())
}

/// Starts the background process: the same command without `--detach`.
fn start(log: &File) -> Result<Child> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1).filter(|arg| arg != "--detach")).arg("--supervise");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    command.spawn().context("cannot start the background process")
}

fn await_health(supervisor: &mut Child, output: &mut Output, dir: &Path) -> Result<()> {
    loop {
        let exited = supervisor.try_wait().context("cannot wait for the stack")?;
        output.show()?;
        if let Some(status) = exited {
            let error = output.error();
            return Err(error.unwrap_or_else(|| anyhow!("the stack did not start ({status})")));
        }
        if Owner::of(Some(dir))?.is_some_and(|owner| owner.pid == supervisor.id()) {
            return Ok(());
        }
        if signals::interrupted() {
            end(supervisor)?;
            bail!("interrupted");
        }
        std::thread::sleep(POLL);
    }
}

/// Stops `supervisor` and waits until it has ended.
fn end(supervisor: &mut Child) -> Result<()> {
    if let Some(pid) = i32::try_from(supervisor.id()).ok().and_then(Pid::from_raw) {
        // Fails if it has ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Deadline::after(GRACE);
    while supervisor.try_wait().context("cannot wait for the stack")?.is_none() {
        if deadline.has_passed() {
            supervisor.kill().context("cannot kill the background process")?;
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// The output of the background process.
struct Output {
    file: File,
    /// Everything from its error on, which this process reports as its own.
    error: String,
}

impl Output {
    fn new(log: &Path) -> Result<Self> {
        let file = File::open(log).context("cannot open the log")?;
        Ok(Self { file, error: String::new() })
    }

    /// Shows new output, except an error.
    fn show(&mut self) -> Result<()> {
        let mut new = String::new();
        self.file.read_to_string(&mut new).context("cannot read the log")?;
        for line in new.split_inclusive('\n') {
            if line.starts_with(ERROR) || !self.error.is_empty() {
                self.error.push_str(line);
            } else {
                eprint!("{line}");
            }
        }
        Ok(())
    }

    fn error(&self) -> Option<anyhow::Error> {
        let text = self.error.strip_prefix(ERROR)?.trim_end();
        Some(anyhow!("{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, "  building\n").unwrap();
        let mut output = Output::new(&log).unwrap();
        output.show().unwrap();
        assert!(output.error().is_none());
        std::fs::write(&log, "  building\nerror: no luck; its log:\nlast line\n").unwrap();
        output.show().unwrap();
        assert_eq!(output.error().unwrap().to_string(), "no luck; its log:\nlast line");
    }
}
