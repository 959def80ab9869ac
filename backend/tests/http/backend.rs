//! A running `tollgate-backend` on a free loopback port, ended when dropped.

use super::client::{Reply, Request};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take before a test fails: far more than it does, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The service's process.
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Mutex<Receiver<String>>,
    reader: Option<JoinHandle<String>>,
    /// Its database, where it has one of its own.
    dir: Option<TempDir>,
}

/// The binary with nothing in its environment but these variables.
pub(crate) fn command(vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-backend"));
    command.env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command
}

/// The URL of a database in `dir`.
pub(crate) fn database_in(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("test.db").display())
}

impl Backend {
    /// Starts with a database of its own and the defaults.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with a database of its own and these variables.
    pub(crate) fn start_with(vars: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut backend = Self::start_on(dir.path(), vars);
        backend.dir = Some(dir);
        backend
    }

    /// Starts on the database in `dir`, and waits until it listens.
    pub(crate) fn start_on(dir: &Path, vars: &[(&str, &str)]) -> Self {
        Self::launch(dir, vars).listening()
    }

    /// Starts on the database in `dir`; [`Launched::listening`] waits.
    pub(crate) fn launch(dir: &Path, vars: &[(&str, &str)]) -> Launched {
        let mut child = command(&[("LISTEN_ADDR", "127.0.0.1:0")])
            .env("DATABASE_URL", database_in(dir))
            .envs(vars.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        let reader = spawn(move || {
            let mut log = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                log.push_str(&line);
                log.push('\n');
                let _nobody_waits = sender.send(line);
            }
            log
        });
        Launched { child, lines, reader }
    }

    /// A request to this service.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    /// `POST` with a JSON body, whatever it is.
    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.request("POST", path)
            .header("Content-Type", "application/json")
            .body(body.as_ref())
            .send()
    }

    /// `POST` of an address and a password.
    pub(crate) fn post_credentials(&self, path: &str, email: &str, password: &str) -> Reply {
        let body = serde_json::json!({ "email": email, "password": password });
        self.post(path, body.to_string())
    }

    /// Signs up; panics unless that works.
    pub(crate) fn sign_up(&self, email: &str, password: &str) -> Reply {
        let reply = self.post_credentials("/api/auth/signup", email, password);
        assert_eq!(reply.status, 201, "{}", reply.show(&[]));
        reply
    }

    /// Signs up and logs in: the access token.
    pub(crate) fn token_of_new_user(&self, email: &str) -> String {
        self.sign_up(email, "12345678");
        self.token(email, "12345678")
    }

    /// Logs in: the access token.
    pub(crate) fn token(&self, email: &str, password: &str) -> String {
        let reply = self.post_credentials("/api/auth/login", email, password);
        assert_eq!(reply.status, 200, "{}", reply.show(&[]));
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// `GET /api/me` with this token.
    pub(crate) fn me(&self, token: &str) -> Reply {
        self.request("GET", "/api/me").header("Authorization", &format!("Bearer {token}")).send()
    }

    /// Where its database is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    /// Sends the signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it logs a line with `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let lines = self.lines.lock().unwrap();
        while !lines.recv_timeout(PATIENCE).unwrap().contains(text) {}
    }

    /// Waits for its end: how it ended, and all that it logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.reader.take().unwrap().join().unwrap())
    }

    /// Ends it in order: all that it logged.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log) = self.wait();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped_before = self.child.wait();
    }
}

/// A process that may not listen yet.
pub(crate) struct Launched {
    child: Child,
    lines: Receiver<String>,
    reader: JoinHandle<String>,
}

impl Launched {
    /// Waits until it listens: from then on the kernel takes connections for it.
    pub(crate) fn listening(mut self) -> Backend {
        let address = loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                let _ended_before = self.child.kill();
                panic!("it never listened: {}", self.reader.join().unwrap());
            };
            if let Some((_, address)) = line.split_once("listening address=") {
                break address.trim().parse().unwrap();
            }
        };
        Backend {
            address,
            child: self.child,
            lines: Mutex::new(self.lines),
            reader: Some(self.reader),
            dir: None,
        }
    }
}
