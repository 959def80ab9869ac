//! Starts processes that the kernel kills when this process ends in any way.
//!
//! The kernel's "parent death signal" is tied to the *thread* that started the process, and the thread
//! of a test ends with the test. One thread that never ends therefore starts all processes.

use crate::env;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

type Order = (Command, Sender<std::io::Result<Child>>);

static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

/// Returns a command that runs `program` and is killed when this process ends.
pub(super) fn tied_to_us(program: &Path) -> Result<Command> {
    if !env::is_executable(program) {
        bail!("{} is not an executable file", program.display());
    }
    // setpriv is part of util-linux, which every Linux distribution has. It replaces itself with the
    // program, so the process id stays the same.
    let mut command = match env::on_path("setpriv") {
        Some(setpriv) => Command::new(setpriv),
        None => return Ok(Command::new(program)),
    };
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    Ok(command)
}

/// Starts `command` from the thread that never ends.
pub(super) fn start(command: Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    let (reply_to, reply) = channel();
    let starter = STARTER.get_or_init(|| Mutex::new(launch_starter()));
    let sent = starter.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply_to));
    sent.ok()
        .and_then(|()| reply.recv().ok())
        .context("the thread that starts processes is gone")?
        .with_context(|| format!("cannot run {program}"))
}

fn launch_starter() -> Sender<Order> {
    let (orders, inbox): (Sender<Order>, Receiver<Order>) = channel();
    std::thread::spawn(move || {
        for (mut command, reply_to) in inbox {
            // Fails if the caller no longer waits.
            let _ = reply_to.send(command.spawn());
        }
    });
    orders
}
