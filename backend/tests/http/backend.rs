//! A running `tollgate-backend` on a free loopback port with its own database. It is killed when
//! dropped.

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

/// The timeout of every operation, generous enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The token that proves a payment to the backend.
pub(crate) const PAYMENT_TOKEN: &str = "paid-in-full-by-a-test";

/// The interval of polling a condition.
const POLL: Duration = Duration::from_millis(50);

/// The backend's process.
pub(crate) struct Backend {
    /// The address it listens on.
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Mutex<Receiver<String>>,
    reader: Option<JoinHandle<String>>,
    /// The database's URL.
    pub(crate) url: String,
    /// The database, if this process owns it.
    database: Option<Database>,
}

/// Builds a command for the binary with only these environment variables.
pub(crate) fn command(vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-backend"));
    command.env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command
}

impl Backend {
    /// Starts a backend with a new database and the defaults.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a backend with a new database and these variables.
    pub(crate) fn start_with(vars: &[(&str, &str)]) -> Self {
        let database = Database::new();
        let mut backend = Self::start_on(&database.url(), vars);
        backend.database = Some(database);
        backend
    }

    /// Starts a backend on the database at `url` and waits until it listens.
    pub(crate) fn start_on(url: &str, vars: &[(&str, &str)]) -> Self {
        Self::launch(url, vars).listening()
    }

    /// Launches a backend on the database at `url` without waiting; see [`Launched::listening`].
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
                let _receiver_gone = sender.send(line);
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

    /// Builds a request to this backend.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Sends a `GET`.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    /// Sends a `POST` with a body declared as JSON, valid or not.
    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.request("POST", path).json(body).send()
    }

    /// Sends a `POST` with an e-mail address and a password.
    pub(crate) fn post_credentials(&self, path: &str, email: &str, password: &str) -> Reply {
        let body = serde_json::json!({ "email": email, "password": password });
        self.post(path, body.to_string())
    }

    /// Signs up. Panics on failure.
    pub(crate) fn sign_up(&self, email: &str, password: &str) -> Reply {
        let reply = self.post_credentials("/api/auth/signup", email, password);
        assert_eq!(reply.status, 201, "{}", reply.show(&[]));
        reply
    }

    /// Sends `GET /api/me` with this token.
    pub(crate) fn me(&self, token: &str) -> Reply {
        self.request("GET", "/api/me").bearer(token).send()
    }

    /// Starts another process on the same database.
    pub(crate) fn second(&self) -> Self {
        Self::start_on(&self.url, &[])
    }

    /// Runs the program with these arguments on the same database. Panics on failure.
    pub(crate) fn run(&self, arguments: &[&str]) {
        let mut command = command(&[("DATABASE_URL", &self.url)]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a statement on the database.
    pub(crate) fn execute(&self, sql: &'static str) {
        database::with(&self.url, async |pool| sqlx::query(sql).execute(&pool).await.unwrap());
    }

    /// Runs a query on the database and returns the texts in the first column.
    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        database::with(&self.url, async |pool| {
            sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap()
        })
    }

    /// Returns the value of a series in `/metrics`, given with its labels, or 0 if it is missing.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = String::from_utf8(self.get("/metrics").body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// Polls until `condition` holds.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = clock::start();
        while !condition() {
            assert!(start.elapsed() < TIMEOUT, "waited {TIMEOUT:?} until {what}");
            sleep(POLL);
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it logs a line with `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let lines = self.lines.lock().unwrap();
        while !lines.recv_timeout(TIMEOUT).unwrap().contains(text) {}
    }

    /// Waits for the process to end. Returns its exit status and log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.reader.take().unwrap().join().unwrap())
    }

    /// Stops the process gracefully and returns its log.
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

/// A process that may not be listening yet. It is killed when dropped.
pub(crate) struct Launched(Option<Backend>);

impl Launched {
    /// Waits until it listens. From then on the kernel accepts connections for it.
    pub(crate) fn listening(mut self) -> Backend {
        let mut backend = self.0.take().unwrap();
        loop {
            let line = backend.lines.lock().unwrap().recv_timeout(TIMEOUT);
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
