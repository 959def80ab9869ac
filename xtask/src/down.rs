//! `cargo xtask down`: stops the stack that `cargo xtask up` runs, detached or not.

use crate::up::state::Owner;
use anyhow::{Context, Result, bail};
use clap::Args;
use harness::clock::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::time::Duration;

/// The time that the stack has to shut down before it is killed.
const GRACE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// The flags of `cargo xtask down`.
#[derive(Debug, Clone, Args)]
pub struct Down {
    /// The folder that the stack was started with [default: target/tollgate]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Stops the stack and waits until it has ended. Prints a message if no stack is running.
///
/// # Errors
/// Fails if the process that runs the stack cannot be signaled, or does not end.
pub(crate) fn run(down: &Down) -> Result<()> {
    let Some(owner) = Owner::of(down.state_dir.as_deref())? else {
        println!("No stack is running.");
        return Ok(());
    };
    signal(owner, Signal::TERM)?;
    if !ends(owner) {
        // The kernel kills its servers with it.
        signal(owner, Signal::KILL)?;
        if !ends(owner) {
            bail!("process {} is still running after SIGKILL", owner.pid);
        }
    }
    println!("The stack has ended.");
    Ok(())
}

fn ends(owner: Owner) -> bool {
    let deadline = Deadline::after(GRACE);
    while owner.runs() && !deadline.has_passed() {
        std::thread::sleep(POLL);
    }
    !owner.runs()
}

fn signal(owner: Owner, signal: Signal) -> Result<()> {
    let pid = i32::try_from(owner.pid).ok().and_then(Pid::from_raw);
    let pid = pid.with_context(|| format!("{} is not a process id", owner.pid))?;
    match kill_process(pid, signal) {
        Err(error) if owner.runs() => {
            Err(error).with_context(|| format!("cannot signal process {}", owner.pid))
        }
        _ => Ok(()),
    }
}
