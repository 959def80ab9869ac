//! A running `tollgate-backend` on a free loopback port and a database of its own, ended when dropped.

use super::client::{Reply, Request};
use super::database::{self, Database};
use backend::clock;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// How long anything may take before a test fails: far more than it does, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What says to a service that a plan was paid for.
pub(crate) const PAYMENT_TOKEN: &str = "paid-in-full-by-a-test";

/// How often a condition that is waited for is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The service's process.
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Mutex<Receiver<String>>,
    reader: Option<JoinHandle<String>>,
    /// Where its database is.
    pub(crate) url: String,
    /// The database, where it has one of its own.
    database: Option<Database>,
}

/// The binary with nothing in its environment but these variables.
pub(crate) fn command(vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-backend"));
    command.env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command
}

impl Backend {
    /// Starts with a database of its own and the defaults.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with a database of its own and these variables.
    pub(crate) fn start_with(vars: &[(&str, &str)]) -> Self {
        let database = Database::new();
        let mut backend = Self::start_on(&database.url(), vars);
        backend.database = Some(database);
        backend
    }

    /// Starts on the database at `url`, and waits until it listens.
    pub(crate) fn start_on(url: &str, vars: &[(&str, &str)]) -> Self {
        Self::launch(url, vars).listening()
    }

    /// Starts on the database at `url`; [`Launched::listening`] waits.
    pub(crate) fn launch(url: &str, vars: &[(&str, &str)]) -> Launched {
        let mut child = command(&[("LISTEN_ADDR", "127.0.0.1:0")])
            .env("DATABASE_URL", url)
            .env("PAYMENT_TOKEN", PAYMENT_TOKEN)
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
        Launched(Some(Self {
            address: ([0; 4], 0).into(),
            child,
            lines: Mutex::new(lines),
            reader: Some(reader),
            url: url.to_owned(),
            database: None,
        }))
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
        self.request("POST", path).json(body).send()
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

    /// `GET /api/me` with this token.
    pub(crate) fn me(&self, token: &str) -> Reply {
        self.request("GET", "/api/me").bearer(token).send()
    }

    /// Another process on the same database.
    pub(crate) fn second(&self) -> Self {
        Self::start_on(&self.url, &[])
    }

    /// Runs the program with these arguments, on the same database; panics unless that works.
    pub(crate) fn run(&self, arguments: &[&str]) {
        let mut command = command(&[("DATABASE_URL", &self.url)]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a statement on its database.
    pub(crate) fn execute(&self, sql: &'static str) {
        database::with(&self.url, async |pool| sqlx::query(sql).execute(&pool).await.unwrap());
    }

    /// The texts in the first column of what a query on its database finds.
    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        database::with(&self.url, async |pool| {
            sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap()
        })
    }

    /// What `/metrics` says of this series, labels included; 0 where there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = String::from_utf8(self.get("/metrics").body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until `condition` holds, looking again and again.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = clock::start();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
            sleep(POLL);
        }
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

/// A process that may not listen yet, ended when dropped.
pub(crate) struct Launched(Option<Backend>);

impl Launched {
    /// Waits until it listens: from then on the kernel takes connections for it.
    pub(crate) fn listening(mut self) -> Backend {
        let mut backend = self.0.take().unwrap();
        loop {
            let line = backend.lines.lock().unwrap().recv_timeout(PATIENCE);
            let Ok(line) = line else {
                let _ended_before = backend.child.kill();
                panic!("it never listened: {}", backend.wait().1);
            };
            if let Some((_, address)) = line.split_once("listening address=") {
                backend.address = address.trim().parse().unwrap();
                return backend;
            }
        }
    }
}
