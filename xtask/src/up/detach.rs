//! `--detach`: the stack runs under a process of its own, which this one waits for until all is
//! healthy.

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
/// How long an interrupted process may take to end all that it has started.
const GRACE: Duration = Duration::from_secs(60);
/// How the binary begins to tell an error.
pub const ERROR: &str = "error: ";

/// Starts the process that runs the stack, shows what it tells, and returns once it is healthy.
///
/// # Errors
/// What that process failed with. If we are interrupted, it is told to end, and has when we do.
pub fn run(up: &Up) -> Result<()> {
    let dir = up.state_dir.clone().unwrap_or_else(paths::state_dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // Named only once all is well: a second `up` in this folder must not touch the first one's log.
    let log = tempfile::Builder::new().prefix("up-").tempfile_in(&dir);
    let log = log.with_context(|| format!("cannot create a log in {}", dir.display()))?;
    let mut told = Told::new(log.path())?;
    let mut supervisor = start(log.as_file())?;
    await_health(&mut supervisor, &mut told, &dir)?;
    told.show()?;
    log.persist(dir.join("up.log")).context("cannot name the log")?;
    Ok(())
}

/// In the process that runs the stack: outlives the terminal that it was started from.
///
/// # Errors
/// Where the system refuses.
pub fn leave_terminal() -> Result<()> {
    setsid().context("cannot leave the terminal's session")?;
    Ok(())
}

/// The same command, without `--detach`.
fn start(log: &File) -> Result<Child> {
    let program = std::env::current_exe().context("cannot find our own program")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1).filter(|arg| arg != "--detach")).arg("--supervise");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    command.spawn().context("cannot start the process that runs the stack")
}

fn await_health(supervisor: &mut Child, told: &mut Told, dir: &Path) -> Result<()> {
    loop {
        let exited = supervisor.try_wait().context("waiting for the stack")?;
        told.show()?;
        if let Some(status) = exited {
            let error = told.error();
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

/// Tells `supervisor` to end, and waits until it has.
fn end(supervisor: &mut Child) -> Result<()> {
    if let Some(pid) = i32::try_from(supervisor.id()).ok().and_then(Pid::from_raw) {
        // It may be ending by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Deadline::after(GRACE);
    while supervisor.try_wait().context("waiting for the stack")?.is_none() {
        if deadline.has_passed() {
            supervisor.kill().context("cannot end the process that runs the stack")?;
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// What the other process has told so far.
struct Told {
    file: File,
    /// From its error on: ours to tell.
    error: String,
}

impl Told {
    fn new(log: &Path) -> Result<Self> {
        let file = File::open(log).context("cannot open the log")?;
        Ok(Self { file, error: String::new() })
    }

    /// Shows what is new, but for an error.
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
    fn an_error_is_kept_to_be_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, "  building\n").unwrap();
        let mut told = Told::new(&log).unwrap();
        told.show().unwrap();
        assert!(told.error().is_none());
        std::fs::write(&log, "  building\nerror: no luck; its log:\nlast words\n").unwrap();
        told.show().unwrap();
        assert_eq!(told.error().unwrap().to_string(), "no luck; its log:\nlast words");
    }
}
