//! Tests of the `cargo xtask up` and `down` binary with the real stack.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use harness::clock::Deadline;
use harness::stack::{Port, health};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use xtask::up::welcome::curl_lines;

/// The timeout of `up`, which includes building what has changed.
const UP_LIMIT: Duration = Duration::from_secs(1800);
/// The timeout of anything else.
const END_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The flag of each port, in the order of [`Place::ports`].
const FLAGS: [&str; 6] = [
    "--gateway-port",
    "--admin-port",
    "--shim-port",
    "--backend-port",
    "--redis-port",
    "--claude-port",
];

/// The ports and the folder of a test.
struct Place {
    ports: Vec<Port>,
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let ports = FLAGS.iter().map(|_| Port::free().unwrap()).collect();
        Self { ports, dir: tempfile::tempdir().unwrap() }
    }

    fn command(&self, chore: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg(chore).arg("--state-dir").arg(self.dir.path()).stdin(Stdio::null());
        // A test must not spend the developer's money,
        command.env_remove("ANTHROPIC_API_KEY").env_remove("ANTHROPIC_BASE_URL");
        // and must not depend on limits in the developer's environment.
        for (_, name) in harness::variables::list().unwrap() {
            command.env_remove(name);
        }
        command.env_remove("ENVIRONMENT").env_remove("TOLLGATE_SALT");
        command
    }

    fn up(&self, more: &[&str]) -> Command {
        let mut command = self.command("up");
        for (flag, port) in FLAGS.iter().zip(&self.ports) {
            command.arg(flag).arg(port.number().to_string());
        }
        command.args(more);
        command
    }

    /// Returns the salt in the stack's copy of the policy.
    fn salt(&self) -> String {
        let kept =
            harness::envoy_config::read_policy(&self.dir.path().join("policy.json")).unwrap();
        kept["salt"].as_str().unwrap().to_owned()
    }

    /// Writes the shipped policy with `public` as the limit of the bucket `public`, and with a timeout
    /// for a busy machine. Returns the path.
    fn write_policy(&self, public: u32) -> String {
        let file = self.dir.path().join("policy.yaml");
        let shipped = harness::paths::root().join("envoy/policy.yaml");
        let text = std::fs::read_to_string(shipped).unwrap();
        let text = text.replace("timeout: 50ms", "timeout: 10s");
        std::fs::write(&file, text.replace("limit: 30,", &format!("limit: {public},"))).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn down(&self) -> String {
        let output = self.command("down").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the stack, with stdout in a file, and waits until it is healthy.
    fn up_in_foreground(&self, more: &[&str]) -> Foreground {
        self.up_with(&[], more)
    }

    /// Starts the stack like [`Self::up_in_foreground`], with the environment variables `vars`.
    fn up_with(&self, vars: &[(&str, &str)], more: &[&str]) -> Foreground {
        let (out, err) = (self.dir.path().join("stdout"), self.dir.path().join("stderr"));
        let mut command = self.up(more);
        command.envs(vars.iter().copied());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut foreground = Foreground { child: command.spawn().unwrap(), out };
        let deadline = Deadline::after(UP_LIMIT);
        while !foreground.stdout().contains("Ctrl-C stops it.") {
            let ended = foreground.child.try_wait().unwrap().is_some();
            let stderr = std::fs::read_to_string(&err).unwrap();
            assert!(!ended && !deadline.has_passed(), "the stack is not healthy: {stderr}");
            std::thread::sleep(POLL);
        }
        foreground
    }

    /// Waits until no process of the stack is running and its ports are free. (A process that is being
    /// killed loses its name before its ports.)
    fn assert_nothing_is_left(&self) {
        let deadline = Deadline::after(END_LIMIT);
        let taken = || {
            let ports = self.ports.iter().map(Port::addr);
            ports.filter(|addr| TcpListener::bind(addr).is_err()).collect::<Vec<_>>()
        };
        while !processes_of(self.dir.path()).is_empty() || !taken().is_empty() {
            let left = processes_of(self.dir.path());
            assert!(!deadline.has_passed(), "{left:?}, {:?}", taken());
            std::thread::sleep(POLL);
        }
    }
}

struct Foreground {
    child: Child,
    out: std::path::PathBuf,
}

impl Foreground {
    fn stdout(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// Kills the stack at the end of its test, even if the test fails.
impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command lines of processes that run in `dir` or have it as an argument.
fn processes_of(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let runs_there = std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == dir);
        if runs_there || line.contains(dir.to_str().unwrap()) {
            found.push(line);
        }
    }
    found
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns the error line, which comes after the output of the build.
fn refusal(output: &Output) -> String {
    let shown = stderr(output);
    let (before, error) = shown.rsplit_once("error: ").unwrap();
    assert_eq!(error.lines().count(), 1, "{shown}");
    assert!(!before.contains("is ready on"), "nothing has been started: {shown}");
    format!("error: {error}")
}

fn shell(line: &str) -> String {
    // The commands call plain `curl`, so its folder must be on the PATH.
    let curl = harness::setup::curl().unwrap();
    let path = format!("{}:/usr/bin:/bin", curl.parent().unwrap().display());
    let output = Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn up_runs_the_stack_shows_decisions_and_stops_everything_on_ctrl_c() {
    let place = Place::new();
    let policy = place.write_policy(30);
    let mut up = place.up_in_foreground(&["--workers", "1", "--policy", &policy]);
    let lines = curl_lines(place.ports[0].number());
    for line in &lines {
        assert!(up.stdout().contains(line), "{line}");
    }

    let index = shell(&lines[0]);
    assert!(index.starts_with("HTTP/1.1 200"), "{index}");
    assert!(
        index.contains("\r\nx-ratelimit-limit: 30\r\nx-ratelimit-remaining: 29\r\n"),
        "{index}"
    );
    let wrong = shell(&lines[1]);
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    // The last line uses the token that the line before has stored in the shell.
    let me = shell(&[&*lines[2], &*lines[3], &*lines[3]].join("; "));
    assert!(me.starts_with("HTTP/1.1 200") && me.contains("ada@example.com"), "{me}");
    assert!(me.contains("x-ratelimit-limit: 60"), "{me}");
    let answers = ["x-cache: MISS", "x-cache: HIT"].map(|cache| me.find(cache));
    assert!(answers[0].is_some() && answers[0] < answers[1], "{me}");

    let deadline = Deadline::after(END_LIMIT);
    while !(up.stdout().contains(" GET / 200 ") && up.stdout().contains(" GET /api/me 200 ")) {
        assert!(!deadline.has_passed(), "{}", up.stdout());
        std::thread::sleep(POLL);
    }

    // Without an API key, the backend uses claude-sim.
    let sim = place.ports[5].addr();
    assert!(health::is_ok(sim, "/sim/health"));
    assert!(up.stdout().contains(&format!("claude-sim   http://{sim}/")), "{}", up.stdout());
    let backend = environment_of_the_backend(&place);
    for line in ["ANTHROPIC_API_KEY=claude-sim", &format!("ANTHROPIC_BASE_URL=http://{sim}")] {
        assert!(backend.iter().any(|variable| variable == line), "{line}: {backend:?}");
    }

    // The gateway and the backend share a private salt, and the files with it are private.
    let (salt, dir) = (place.salt(), place.dir.path());
    assert!(salt.len() == 32 && backend.contains(&format!("TOLLGATE_SALT={salt}")), "{backend:?}");
    let filter = format!("tollgate-{}.json", place.ports[0].number());
    assert!(std::fs::read_to_string(dir.join(&filter)).unwrap().contains(&salt));
    for file in ["salt", "policy.json", &filter] {
        assert_eq!(
            dir.join(file).metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{file}"
        );
    }
    assert!(
        up.stdout().contains(&format!("policy       {}/policy.json", dir.display())),
        "{}",
        up.stdout()
    );
    assert!(
        up.stdout().contains("A debug build: don't judge its speed by this."),
        "{}",
        up.stdout()
    );

    // A folder has at most one stack.
    let second = place.up(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).starts_with("error: a stack is already running in "));

    up.signal(Signal::INT);
    assert!(up.child.wait().unwrap().success());
    place.assert_nothing_is_left();
    assert_eq!(place.down(), "No stack is running.\n");
}

#[test]
fn a_detached_stack_runs_until_down_and_works_without_redis() {
    let place = Place::new();
    let mut up = place.up(&["--detach", "--ledger", "memory:"]);
    let own = [("ANTHROPIC_API_KEY", "sk-not-a-key"), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")];
    let output = up.envs(own).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("The stack is healthy."), "{}", stderr(&output));
    let answer = health::get(place.ports[0].addr(), "/").unwrap();
    assert_eq!(answer.status, 200);
    assert!(!health::ping(place.ports[4].addr()), "Redis is running");
    // With an API key, the backend uses the Claude API.
    assert!(!health::is_ok(place.ports[5].addr(), "/sim/health"), "claude-sim is running");
    let backend = environment_of_the_backend(&place);
    for (name, value) in own {
        assert!(backend.contains(&format!("{name}={value}")), "{name}: {backend:?}");
    }

    let second = place.up(&["--detach", "--ledger", "memory:"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = stderr(&second);
    assert!(error.starts_with("error: a stack is already running in "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(health::is_ok(place.ports[0].addr(), "/health"), "the first one is still running");

    assert_eq!(place.down(), "The stack has ended.\n");
    place.assert_nothing_is_left();
    assert_eq!(place.down(), "No stack is running.\n");
}

#[test]
fn a_killed_stack_leaves_no_process_and_can_be_started_again() {
    let place = Place::new();
    let mut salts = Vec::new();
    for _ in 0..2 {
        let mut up = place.up_in_foreground(&["--ledger", "memory:"]);
        salts.push(place.salt());
        up.signal(Signal::KILL);
        assert!(!up.child.wait().unwrap().success());
        place.assert_nothing_is_left();
    }
    assert_eq!(salts[0], salts[1], "counters keep their names");
    // The remaining state file names a process that no longer exists.
    assert_eq!(place.down(), "No stack is running.\n");
}

#[test]
fn if_a_part_dies_the_stack_stops_and_the_error_names_the_part() {
    let place = Place::new();
    let err = place.dir.path().join("stderr");
    let mut command = place.up(&["--ledger", "memory:"]);
    command.stderr(File::create(&err).unwrap()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let gateway = place.ports[0].addr();
    let deadline = Deadline::after(UP_LIMIT);
    let shim = loop {
        let lines = std::fs::read_to_string(place.dir.path().join("state.json"));
        if lines.is_ok() && health::is_ok(gateway, "/health") {
            break listener_on(&place, 2);
        }
        assert!(child.try_wait().unwrap().is_none() && !deadline.has_passed());
        std::thread::sleep(POLL);
    };
    kill_process(Pid::from_raw(shim).unwrap(), Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let stderr = std::fs::read_to_string(err).unwrap();
    assert!(stderr.contains("error: the shim has ended (signal: 9 (SIGKILL))"), "{stderr}");
    place.assert_nothing_is_left();
}

/// Returns the environment of the backend, found by its variable for the port.
fn environment_of_the_backend(place: &Place) -> Vec<String> {
    let listen = format!("LISTEN_ADDR={}", place.ports[3].addr());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut environments = processes.filter_map(|process| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let text = String::from_utf8_lossy(&environment).into_owned();
        Some(text.split('\0').map(str::to_owned).collect::<Vec<_>>())
    });
    environments.find(|variables| variables.contains(&listen)).unwrap()
}

/// Returns the id of the process that has the port number `index` in its command line.
fn listener_on(place: &Place, index: usize) -> i32 {
    let addr = place.ports[index].addr().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut found = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == addr.as_bytes())
    });
    found.next().unwrap().file_name().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_port_in_use_is_refused_before_anything_is_built() {
    let place = Place::new();
    for (port, flag) in place.ports.iter().zip(FLAGS) {
        let _listener = TcpListener::bind(port.addr()).unwrap();
        for flags in [&[][..], &["--detach"]] {
            let output = place.up(flags).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(
                stderr(&output),
                format!("error: port {} is in use: choose another with {flag}\n", port.number())
            );
        }
    }
    place.assert_nothing_is_left();
}

#[test]
fn a_publicly_known_salt_is_refused_outside_development() {
    let place = Place::new();
    let known = [("ENVIRONMENT", "production"), ("TOLLGATE_SALT", "tollgate-development")];
    let output = place.up(&[]).envs(known).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let refused = refusal(&output);
    assert!(refused.contains(": ENVIRONMENT is \"production\": expected "), "{refused}");
    place.assert_nothing_is_left();
}

#[test]
fn limits_from_the_environment_apply_to_the_gateway_and_the_backend() {
    let place = Place::new();
    let policy = place.write_policy(30);
    let vars = [
        ("AUTH_RATE_LIMIT_PER_MINUTE", "3"),
        ("FREE_AI_ASSIST_LIMIT", "4"),
        ("AI_RATE_LIMIT_PER_MINUTE", ""),
    ];
    let _up = place.up_with(&vars, &["--ledger", "memory:", "--policy", &policy]);
    let gateway = place.ports[0].number();
    let lines = curl_lines(gateway);
    // Signs up, logs in and gets the profile, which uses two of three attempts.
    let me = shell(&lines[2]);
    assert!(me.starts_with("HTTP/1.1 200"), "{me}");
    let wrong = shell(&lines[1]);
    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("x-ratelimit-limit: 3"), "{wrong}");
    let refused = shell(&lines[1]);
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");

    // Log in directly at the backend, since the gateway admits no more logins.
    let backend = place.ports[3].number();
    let direct = |path: &str| {
        let line =
            lines[2].replace(&format!(":{gateway}/api/auth/"), &format!(":{backend}/api/auth/"));
        shell(&line.replace("/api/me", path))
    };
    let usage = direct("/api/usage");
    assert!(usage.contains(r#""limit":4,"used":0"#), "{usage}");
    let ai = direct("/api/ai/nothing");
    assert!(ai.contains("x-ratelimit-limit: 4"), "{ai}");
    let usage = direct("/api/usage");
    assert!(usage.contains(r#""limit":4,"used":1"#), "{usage}");
    assert!(direct("/health").contains(r#""rate_limit_enabled":true"#));

    // An edited policy gets the environment's limits too.
    place.write_policy(31);
    let deadline = Deadline::after(END_LIMIT);
    while !shell(&lines[0]).contains("x-ratelimit-limit: 31") {
        assert!(!deadline.has_passed(), "the edited policy is not in force");
        std::thread::sleep(POLL);
    }
    let refused = shell(&lines[1]);
    assert!(refused.contains("x-ratelimit-limit: 3\r"), "{refused}");
}

#[test]
fn with_limits_disabled_nothing_is_denied_and_health_reports_it() {
    let place = Place::new();
    let policy = place.write_policy(2);
    let vars = [("RATE_LIMIT_ENABLED", "false")];
    let _up = place.up_with(&vars, &["--ledger", "memory:", "--policy", &policy]);
    let gateway = place.ports[0].addr();
    for _ in 0..4 {
        assert_eq!(health::get(gateway, "/").unwrap().status, 200);
    }
    let health = health::get(gateway, "/health").unwrap().body;
    assert!(health.contains(r#""rate_limit_enabled":false"#), "{health}");
}

#[test]
fn an_invalid_limit_in_the_environment_is_refused_before_anything_is_started() {
    let place = Place::new();
    let refusal_of = |variable: &str, value: &str, more: &[&str]| {
        let output = place.up(more).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        refusal(&output)
    };
    let shipped = harness::paths::root().join("envoy/policy.yaml");
    assert_eq!(
        refusal_of("AUTH_RATE_LIMIT_PER_MINUTE", "0", &[]),
        format!(
            "error: invalid policy {}: AUTH_RATE_LIMIT_PER_MINUTE: buckets.auth.limit: invalid \
             value: integer `0`, expected a whole number from 1 to 9007199254740992\n",
            shipped.display()
        )
    );
    let policy = place.write_policy(30);
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("limit: 30, window: 1m", "limit: 30, per: day")).unwrap();
    let error = refusal_of("PUBLIC_RATE_LIMIT_PER_MINUTE", "5", &["--policy", &policy]);
    let start = format!("error: invalid policy {policy}: PUBLIC_RATE_LIMIT_PER_MINUTE: ");
    assert!(error.starts_with(&start), "{error}");
    place.assert_nothing_is_left();
}

#[test]
fn an_invalid_policy_is_refused_before_anything_is_built() {
    let place = Place::new();
    let policy = place.dir.path().join("policy.yaml");
    let shipped =
        std::fs::read_to_string(harness::paths::root().join("envoy/policy.yaml")).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        let text = shipped.replacen(from, to, 1);
        assert_ne!(text, shipped, "{from}");
        std::fs::write(&policy, text).unwrap();
        let output = place.up(&["--policy", policy.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = stderr(&output);
        let start = format!("error: invalid policy {}: {expected}", policy.display());
        assert!(error.starts_with(&start), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    check("limit: 5,", "limit: -1,", "buckets.auth.limit: ");
    check("window: 1m", "window: 1x", "buckets.");
    check("charge: [auth]", "charge: [nothing]", "rules[1].charge[0]: ");
    check("version: 1", "version: 1\nvesion: 1", "vesion: ");
    place.assert_nothing_is_left();
}
