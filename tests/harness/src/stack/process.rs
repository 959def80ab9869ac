//! A server's process. It can be started, watched, paused, killed and restarted. Its output goes to a
//! file.

use super::spawn;
use crate::clock::Deadline;
use crate::signals;
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// The polling interval while waiting for a condition.
const POLL: Duration = Duration::from_millis(20);
/// The most bytes of a log that an error repeats.
const TAIL_BYTES: u64 = 4_000;
/// The most lines of a log that an error repeats.
const TAIL_LINES: usize = 20;

/// A description of the process to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The server's name in messages.
    pub name: String,
    /// The program to run.
    pub program: PathBuf,
    /// The program's arguments.
    pub args: Vec<OsString>,
    /// Changes to the inherited environment: variables to set (`Some`) or remove (`None`).
    pub env: Vec<(String, Option<OsString>)>,
    /// The working folder.
    pub dir: PathBuf,
    /// The file for the output.
    pub log: PathBuf,
}

/// A running server. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    /// The exit status, once the process has ended. Its process id can be reused from then on.
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the process with an empty log.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn start(spec: Spec) -> Result<Self> {
        File::create(&spec.log).with_context(|| format!("cannot create {}", spec.log.display()))?;
        let child = launch(&spec)?;
        Ok(Self { spec, child, ended: None })
    }

    /// Kills the process if it is running, and starts it again with the same log.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.child = launch(&self.spec)?;
        self.ended = None;
        Ok(())
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the path of the log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// Kills the process and its children (SIGKILL).
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        // A killed child can always be waited for.
        self.ended = self.child.wait().ok().or(self.ended);
    }

    /// Stops the process (SIGTERM), kills it if it has not ended within `grace`, and returns its exit
    /// status.
    ///
    /// # Errors
    /// Fails if waiting for the process fails.
    pub fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let deadline = Deadline::after(grace);
        while !deadline.has_passed() {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        self.kill();
        self.ended.with_context(|| format!("cannot wait for {}", self.spec.name))
    }

    /// Freezes the process (SIGSTOP). Its connections stay open, but it does not answer.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process continue (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Returns the exit status, or `None` while the process is running.
    ///
    /// # Errors
    /// Fails if the status cannot be read.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let status = self.child.try_wait();
            let status = status.with_context(|| format!("cannot wait for {}", self.spec.name))?;
            if status.is_some() {
                self.signal(Signal::KILL); // ends children that are still running
                self.ended = status;
            }
        }
        Ok(self.ended)
    }

    /// Polls `condition` until it holds.
    ///
    /// # Errors
    /// Fails if the process ends first, `deadline` passes, or a signal arrives. The error has the end
    /// of the log.
    pub fn wait_until(
        &mut self,
        deadline: Deadline,
        mut condition: impl FnMut() -> bool,
    ) -> Result<()> {
        let name = self.spec.name.clone();
        loop {
            if let Some(status) = self.exited()? {
                return Err(self.with_log(anyhow!("{name} ended ({status}) before it was ready")));
            }
            if condition() {
                return Ok(());
            }
            signals::check()?;
            if deadline.has_passed() {
                let waited_s = deadline.length().as_secs();
                return Err(self.with_log(anyhow!("{name} is not ready after {waited_s} s")));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns the last lines of the log.
    ///
    /// # Errors
    /// Fails if the log cannot be read.
    pub fn log_tail(&self) -> Result<String> {
        tail(self.log()).with_context(|| format!("cannot read {}", self.log().display()))
    }

    fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        let log = self.log().display();
        match self.log_tail() {
            Ok(tail) if tail.is_empty() => anyhow!("{error}; its log, {log}, is empty"),
            Ok(tail) => anyhow!("{error}; the end of its log, {log}:\n{tail}"),
            Err(unreadable) => anyhow!("{error}; {unreadable:#}"),
        }
    }

    /// Sends `signal` to the process and its children. Does nothing if the process has ended.
    fn signal(&self, signal: Signal) {
        if self.ended.is_some() {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(spec: &Spec) -> Result<Child> {
    let log = OpenOptions::new().append(true).open(&spec.log);
    let log = log.with_context(|| format!("cannot open {}", spec.log.display()))?;
    let mut command = spawn::tied_to_us(&spec.program)?;
    command.args(&spec.args).current_dir(&spec.dir).process_group(0);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    for (name, value) in &spec.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    spawn::start(command).with_context(|| format!("cannot start {}", spec.name))
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length_bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(length_bytes.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n"))
}

/// Returns the log's path in `dir` for the server `name` on port `number`.
#[must_use]
pub fn log_file(dir: &Path, name: &str, number: u16) -> PathBuf {
    dir.join(format!("{name}-{number}.log"))
}

/// Creates the folder `dir` if it does not exist.
///
/// # Errors
/// Fails if the folder cannot be created, or if `dir` is something else.
pub fn ensure_dir(dir: &Path) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        bail!("{} is not a folder", dir.display());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(dir: &Path, script: &str) -> Process {
        Process::start(Spec {
            name: "the shell".to_owned(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".to_owned(), Some("hello".into())), ("HOME".to_owned(), None)],
            dir: dir.to_owned(),
            log: dir.join("log"),
        })
        .unwrap()
    }

    /// Returns true if the process exists and has not ended. (Its command line can be empty during
    /// `exec` too, so it cannot be used here.)
    fn is_running(pid: u32) -> bool {
        state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    fn state(pid: u32) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    fn eventually(mut condition: impl FnMut() -> bool) {
        let deadline = Deadline::after(LONG);
        while !condition() {
            assert!(!deadline.has_passed(), "the condition did not hold in time");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn an_early_exit_is_reported_with_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = shell(dir.path(), "echo \"$GREETING ${HOME:-homeless}\"; exit 7");
        let error = shell.wait_until(Deadline::after(LONG), || false).unwrap_err();
        let mut expected = "the shell ended (exit status: 7) before it was ready; ".to_owned();
        write!(expected, "the end of its log, {}/log:\nhello homeless", dir.path().display())
            .unwrap();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_server_that_never_becomes_ready_is_reported_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = shell(dir.path(), "sleep 600");
        let error = shell.wait_until(Deadline::after(Duration::ZERO), || false).unwrap_err();
        assert!(error.to_string().starts_with("the shell is not ready after 0 s"), "{error}");
    }

    #[test]
    fn dropping_a_process_kills_its_children_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = shell(dir.path(), "sleep 600 & echo $! > started; wait");
        let file = dir.path().join("started");
        let content = || std::fs::read_to_string(&file).unwrap_or_default();
        shell.wait_until(Deadline::after(LONG), || content().ends_with('\n')).unwrap();
        let (parent, child) = (shell.id(), content().trim().parse().unwrap());
        assert!(is_running(parent) && is_running(child));
        drop(shell);
        eventually(|| !is_running(parent) && !is_running(child));
    }

    #[test]
    fn a_process_outlives_the_thread_that_started_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let mut shell =
            std::thread::spawn(move || shell(&path, "echo up; sleep 600")).join().unwrap();
        let log = shell.log().to_owned();
        let up = || std::fs::read_to_string(&log).is_ok_and(|text| text == "up\n");
        shell.wait_until(Deadline::after(LONG), up).unwrap();
        assert!(shell.exited().unwrap().is_none());
    }

    #[test]
    fn a_process_can_be_paused_resumed_and_restarted() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = shell(dir.path(), "echo up; exec sleep 600");
        let first = shell.id();
        shell.pause();
        eventually(|| state(first) == Some('T'));
        shell.resume();
        eventually(|| state(first) == Some('S'));
        shell.restart().unwrap();
        assert_ne!(shell.id(), first);
        eventually(|| !is_running(first));
        let log = shell.log().to_owned();
        eventually(|| std::fs::read_to_string(&log).is_ok_and(|text| text == "up\nup\n"));
    }

    #[test]
    fn a_stopped_process_can_exit_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done";
        let mut shell = shell(dir.path(), script);
        let log = shell.log().to_owned();
        let up = || std::fs::read_to_string(&log).is_ok_and(|text| text == "up\n");
        shell.wait_until(Deadline::after(LONG), up).unwrap();
        assert_eq!(shell.stop(LONG).unwrap().code(), Some(5));
    }

    /// The variable with the folder to use, set in the process that
    /// [`a_process_ends_when_its_parent_is_killed`] starts.
    const HOLDER: &str = "XTASK_TEST_HOLDER_DIR";

    #[test]
    fn a_process_ends_when_its_parent_is_killed() {
        if let Some(dir) = crate::env::path(HOLDER) {
            let shell = shell(&dir, "echo $$ > started; exec sleep 600");
            loop {
                assert!(is_running(shell.id()));
                std::thread::park_timeout(LONG);
            }
        }
        // Run this test again in a process that can be killed.
        let dir = tempfile::tempdir().unwrap();
        let mut holder = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stack::process::tests::a_process_ends_when_its_parent_is_killed"])
            .env(HOLDER, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let file = dir.path().join("started");
        let content = || std::fs::read_to_string(&file).unwrap_or_default();
        eventually(|| content().ends_with('\n'));
        let started = content().trim().parse().unwrap();
        assert!(is_running(started));
        holder.kill().unwrap();
        holder.wait().unwrap();
        eventually(|| !is_running(started));
    }
}
