//! Programs run to their end: within a time limit, ended when we are interrupted, and told by
//! their last words when they fail. (Servers are [`crate::stack`]'s.)

use crate::clock::Deadline;
use crate::{env, signals};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The most of a program's output that an error repeats, in bytes.
const LAST_WORDS_BYTES: u64 = 2_000;
/// The most output of a program that is read, in bytes.
const OUTPUT_BYTES: u64 = 8 << 20;
const POLL: Duration = Duration::from_millis(10);
/// What cargo tells the programs that it runs, of those that it would itself tell build scripts.
const TOLD_BY_CARGO: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Runs `command` with its output shown as it comes.
///
/// Cargo, without what the one that runs us has told us of the package that we are: a build script
/// that looks at such a variable (ring's does) would run anew each time that the other of the two
/// builds, and with it all that depends on its crate.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::cargo());
    for variable in TOLD_BY_CARGO {
        cargo.env_remove(variable);
    }
    cargo
}

/// # Errors
/// Where it cannot be started, is interrupted, takes longer than `limit`, or exits with a failure.
pub fn show(command: &mut Command, limit: Duration) -> Result<()> {
    let name = name_of(command);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` silently and returns what it printed on stdout.
///
/// # Errors
/// As [`show`]; a failure repeats the last of what it printed on stderr.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let name = name_of(command);
    let mut out = tempfile::tempfile().context("cannot create a temporary file")?;
    let mut err = tempfile::tempfile().context("cannot create a temporary file")?;
    command.stdout(copy_of(&out)?).stderr(copy_of(&err)?);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        let words = last_words(&mut err)?;
        bail!("`{name}` failed ({status}): {}", one_line(&words));
    }
    content(&mut out).with_context(|| format!("what `{name}` printed"))
}

/// Runs `command` with what it prints on stderr shown as it comes, and returns what it printed on
/// stdout.
///
/// # Errors
/// As [`show`].
pub fn show_and_capture(command: &mut Command, limit: Duration) -> Result<String> {
    let name = name_of(command);
    let mut out = tempfile::tempfile().context("cannot create a temporary file")?;
    command.stdout(copy_of(&out)?);
    let status = wait(spawn(command)?, &name, limit)?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    content(&mut out).with_context(|| format!("what `{name}` printed"))
}

/// `command` as a person would type it.
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

/// Ends the whole process group of `child`, at once.
fn kill_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself in the meantime.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// In a group of its own, so that all that it starts can be ended with it.
fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).process_group(0);
    command
        .spawn()
        .with_context(|| format!("cannot run `{}`", command.get_program().to_string_lossy()))
}

fn wait(mut child: Child, name: &str, limit: Duration) -> Result<ExitStatus> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for `{name}`"))? {
            signals::check()?;
            return Ok(status);
        }
        let late = deadline.has_passed();
        if late || signals::interrupted() {
            kill_group(&child);
            child.wait().with_context(|| format!("waiting for `{name}`"))?;
            signals::check()?;
            bail!("`{name}` took longer than {} s and was ended", limit.as_secs());
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

fn last_words(file: &mut File) -> Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of `text`, joined: an error is one line.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(4);
    let last = lines.get(from..).unwrap_or_default().join("; ");
    if last.is_empty() { "it printed nothing".to_owned() } else { last }
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
    fn what_a_program_prints_is_returned() {
        assert_eq!(output(&mut shell("echo hello; echo aside >&2"), LONG).unwrap(), "hello\n");
    }

    #[test]
    fn a_failure_repeats_the_last_words() {
        let error =
            output(&mut shell("echo first >&2; echo second >&2; exit 3"), LONG).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("failed (exit status: 3): first; second"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = output(&mut Command::new("no-such-program"), LONG).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        // On a busy machine it may be ended before it has started anything: then it gets longer.
        let ended = (0..8).find_map(|doubled| {
            let limit = Duration::from_millis(100 << doubled);
            let error = output(&mut shell(&script), limit).unwrap_err();
            assert!(error.to_string().contains("took longer than"), "{error}");
            std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        });
        let pid: i32 = ended.expect("it starts something within 10 s");
        let deadline = Deadline::after(LONG);
        // A process that has ended has no command line, even before it is reaped.
        while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            assert!(!deadline.has_passed(), "process {pid} still runs");
            std::thread::sleep(POLL);
        }
    }
}
