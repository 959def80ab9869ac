//! Runs programs to completion, with a timeout.
//!
//! An interrupt ends the program too. An error contains the end of the program's output.
//! ([`crate::stack`] runs servers.)

use crate::clock::Deadline;
use crate::{env, signals};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The most bytes of a program's output that an error repeats.
const TAIL_BYTES: u64 = 2_000;
/// The most bytes of a program's output that are read.
const OUTPUT_BYTES: u64 = 8 << 20;
const POLL: Duration = Duration::from_millis(10);
/// Variables that cargo sets both for the programs that it runs and for build scripts.
const PACKAGE_VARIABLES: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Returns a command that runs cargo without the variables of the current package.
///
/// Build scripts that read one of them (ring's does) would otherwise run again, and rebuild every
/// crate that depends on them, whenever this cargo and the developer's own take turns.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::cargo());
    for variable in PACKAGE_VARIABLES {
        cargo.env_remove(variable);
    }
    cargo
}

/// Runs `command` and shows its output as it arrives.
///
/// # Errors
/// Fails if the command cannot be started, is interrupted, takes longer than `limit`, or exits with
/// a failure.
pub fn show(command: &mut Command, limit: Duration) -> Result<()> {
    let name = name_of(command);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` silently and returns its standard output.
///
/// # Errors
/// Same as [`show`]. If the command fails, the error contains the end of its standard error.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let name = name_of(command);
    let mut out = tempfile::tempfile().context("cannot create a temporary file")?;
    let mut err = tempfile::tempfile().context("cannot create a temporary file")?;
    command.stdout(copy_of(&out)?).stderr(copy_of(&err)?);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        let tail = tail(&mut err)?;
        bail!("`{name}` failed ({status}): {}", one_line(&tail));
    }
    content(&mut out).with_context(|| format!("cannot read the output of `{name}`"))
}

/// Runs `command`, shows its standard error as it arrives, and returns its standard output.
///
/// # Errors
/// Same as [`show`].
pub fn show_and_capture(command: &mut Command, limit: Duration) -> Result<String> {
    let name = name_of(command);
    let mut out = tempfile::tempfile().context("cannot create a temporary file")?;
    command.stdout(copy_of(&out)?);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    content(&mut out).with_context(|| format!("cannot read the output of `{name}`"))
}

/// Returns `command` as typed in a shell, cut after 120 characters.
#[must_use]
pub fn name_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut name = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = name.char_indices().nth(120) {
        name.truncate(cut);
        name.push('…');
    }
    name
}

/// Kills the process group of `child`.
fn kill_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // Fails if the group has ended by itself in the meantime.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Starts `command` in a new process group, so that its children can be killed with it.
fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).process_group(0);
    command
        .spawn()
        .with_context(|| format!("cannot run `{}`", command.get_program().to_string_lossy()))
}

fn wait(mut child: Child, name: &str, limit: Duration) -> Result<ExitStatus> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(status) =
            child.try_wait().with_context(|| format!("cannot wait for `{name}`"))?
        {
            signals::check()?;
            return Ok(status);
        }
        let late = deadline.has_passed();
        if late || signals::interrupted() {
            kill_group(&child);
            child.wait().with_context(|| format!("cannot wait for `{name}`"))?;
            signals::check()?;
            bail!("`{name}` took longer than {} s and was killed", limit.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

fn copy_of(file: &File) -> Result<Stdio> {
    Ok(file.try_clone().context("cannot duplicate a temporary file")?.into())
}

fn content(file: &mut File) -> Result<String> {
    file.rewind()?;
    let mut text = String::new();
    file.take(OUTPUT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn tail(file: &mut File) -> Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Joins the last four lines of `text`, since an error is one line.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(4);
    let last = lines.get(from..).unwrap_or_default().join("; ");
    if last.is_empty() { "no output".to_owned() } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn standard_output_is_returned() {
        assert_eq!(output(&mut shell("echo hello; echo aside >&2"), LONG).unwrap(), "hello\n");
    }

    #[test]
    fn a_failure_repeats_the_end_of_standard_error() {
        let error =
            output(&mut shell("echo first >&2; echo second >&2; exit 3"), LONG).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("failed (exit status: 3): first; second"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-program"), LONG).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        // On a busy machine it can be killed before it has started a child. Each try is longer.
        let ended = (0..8).find_map(|doubled| {
            let limit = Duration::from_millis(100 << doubled);
            let error = output(&mut shell(&script), limit).unwrap_err();
            assert!(error.to_string().contains("took longer than"), "{error}");
            std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        });
        let pid: i32 = ended.expect("it starts a child within 13 s");
        let deadline = Deadline::after(LONG);
        // An ended process has an empty command line, even before it is reaped.
        while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            assert!(!deadline.has_passed(), "process {pid} still runs");
            std::thread::sleep(POLL);
        }
    }
}
