//! `cargo xtask up` and `down`, as programs, with the real stack.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

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

/// Building what has changed is part of it.
const UP_LIMIT: Duration = Duration::from_secs(1800);
const END_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// A flag for each port, in the order of [`Place::ports`].
const FLAGS: [&str; 6] = [
    "--gateway-port",
    "--admin-port",
    "--shim-port",
    "--backend-port",
    "--redis-port",
    "--claude-port",
];

/// Six ports and a folder of a test's own.
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
        // The developer's own: a test must not spend money.
        command.env_remove("ANTHROPIC_API_KEY").env_remove("ANTHROPIC_BASE_URL");
        // Nor do limits that a developer has set change what it finds.
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

    /// The salt of the policy that is in force, as the operator's commands find it.
    fn salt(&self) -> String {
        let kept =
            harness::envoy_config::read_policy(&self.dir.path().join("policy.json")).unwrap();
        kept["salt"].as_str().unwrap().to_owned()
    }

    /// The shipped policy with another limit in its bucket `public`, and patient with a busy machine.
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
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts it with its stdout in a file, and waits until that says that all is healthy.
    fn up_in_foreground(&self, more: &[&str]) -> Foreground {
        self.up_with(&[], more)
    }

    /// The same in an environment of `vars`.
    fn up_with(&self, vars: &[(&str, &str)], more: &[&str]) -> Foreground {
        let (out, err) = (self.dir.path().join("stdout"), self.dir.path().join("stderr"));
        let mut command = self.up(more);
        command.envs(vars.iter().copied());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut foreground = Foreground { child: command.spawn().unwrap(), out };
        let deadline = Deadline::after(UP_LIMIT);
        while !foreground.told().contains("Ctrl-C ends it.") {
            let ended = foreground.child.try_wait().unwrap().is_some();
            let told = std::fs::read_to_string(&err).unwrap();
            assert!(!ended && !deadline.has_passed(), "it is not healthy: {told}");
            std::thread::sleep(POLL);
        }
        foreground
    }

    /// Whether nothing is left: no process of the stack's, and nobody on its ports. (A process
    /// that is being killed loses its name before its ports.)
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
    fn told(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// Ends with its test, also where that fails.
impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What runs in `dir`, or was told of it.
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

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns the error, one line, which comes after what the build of `tollgate` shows.
fn refusal(output: &Output) -> String {
    let shown = told(output);
    let (before, error) = shown.rsplit_once("error: ").unwrap();
    assert_eq!(error.lines().count(), 1, "{shown}");
    assert!(!before.contains("is ready on"), "nothing has been started: {shown}");
    format!("error: {error}")
}

fn shell(line: &str) -> String {
    // curl as a person would call it, wherever it is.
    let curl = harness::setup::curl().unwrap();
    let path = format!("{}:/usr/bin:/bin", curl.parent().unwrap().display());
    let output = Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{line}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn up_runs_the_stack_follows_its_decisions_and_ends_all_of_it_on_ctrl_c() {
    let place = Place::new();
    let policy = place.write_policy(30);
    let mut up = place.up_in_foreground(&["--workers", "1", "--policy", &policy]);
    let lines = curl_lines(place.ports[0].number());
    for line in &lines {
        assert!(up.told().contains(line), "{line}");
    }

    let index = shell(&lines[0]);
    assert!(index.starts_with("HTTP/1.1 200"), "{index}");
    assert!(
        index.contains("\r\nx-ratelimit-limit: 30\r\nx-ratelimit-remaining: 29\r\n"),
        "{index}"
    );
    let wrong = shell(&lines[1]);
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    // The last line goes by the token that the one before has put into the shell.
    let me = shell(&[&*lines[2], &*lines[3], &*lines[3]].join("; "));
    assert!(me.starts_with("HTTP/1.1 200") && me.contains("ada@example.com"), "{me}");
    assert!(me.contains("x-ratelimit-limit: 60"), "{me}");
    let answers = ["x-cache: MISS", "x-cache: HIT"].map(|cache| me.find(cache));
    assert!(answers[0].is_some() && answers[0] < answers[1], "{me}");

    let deadline = Deadline::after(END_LIMIT);
    while !(up.told().contains(" GET / 200 ") && up.told().contains(" GET /api/me 200 ")) {
        assert!(!deadline.has_passed(), "{}", up.told());
        std::thread::sleep(POLL);
    }

    // Without a key to the service, the backend asks claude-sim.
    let sim = place.ports[5].addr();
    assert!(health::is_ok(sim, "/sim/health"));
    assert!(up.told().contains(&format!("claude-sim   http://{sim}/")), "{}", up.told());
    let backend = environment_of_the_backend(&place);
    for line in ["ANTHROPIC_API_KEY=claude-sim", &format!("ANTHROPIC_BASE_URL=http://{sim}")] {
        assert!(backend.iter().any(|variable| variable == line), "{line}: {backend:?}");
    }

    // The gateway and the backend have a salt that nobody else has, and its files are private.
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
        up.told().contains(&format!("policy       {}/policy.json", dir.display())),
        "{}",
        up.told()
    );
    assert!(up.told().contains("A debug build: don't judge its speed by this."), "{}", up.told());

    // One stack a folder.
    let second = place.up(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(told(&second).starts_with("error: a stack runs already with its state in "));

    up.signal(Signal::INT);
    assert!(up.child.wait().unwrap().success());
    place.assert_nothing_is_left();
    assert_eq!(place.down(), "No stack is running.\n");
}

#[test]
fn a_detached_stack_runs_until_it_is_ended_and_needs_no_redis() {
    let place = Place::new();
    let mut up = place.up(&["--detach", "--ledger", "memory:"]);
    let own = [("ANTHROPIC_API_KEY", "sk-not-a-key"), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")];
    let output = up.envs(own).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("The stack is healthy."), "{}", told(&output));
    let answer = health::get(place.ports[0].addr(), "/").unwrap();
    assert_eq!(answer.status, 200);
    assert!(!health::ping(place.ports[4].addr()), "there is no Redis");
    // With a key, the backend asks the service.
    assert!(!health::is_ok(place.ports[5].addr(), "/sim/health"), "there is no claude-sim");
    let backend = environment_of_the_backend(&place);
    for (name, value) in own {
        assert!(backend.contains(&format!("{name}={value}")), "{name}: {backend:?}");
    }

    let second = place.up(&["--detach", "--ledger", "memory:"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(told(&second).starts_with("error: a stack runs already"), "{}", told(&second));
    assert_eq!(told(&second).lines().count(), 1, "{}", told(&second));
    assert!(health::is_ok(place.ports[0].addr(), "/health"), "the first one runs on");

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
    // The state file that it has left names a process that is gone.
    assert_eq!(place.down(), "No stack is running.\n");
}

#[test]
fn a_part_that_dies_ends_the_stack_with_its_name_and_its_log() {
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
    let told = std::fs::read_to_string(err).unwrap();
    assert!(told.contains("error: the shim has ended (signal: 9 (SIGKILL))"), "{told}");
    place.assert_nothing_is_left();
}

/// The variables of the process that was told by one to listen on the backend's port.
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

/// The process of the stack that was told to listen on port number `index`.
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
fn a_port_in_use_is_told_in_one_sentence_before_anything_is_done() {
    let place = Place::new();
    for (port, flag) in place.ports.iter().zip(FLAGS) {
        let _listener = TcpListener::bind(port.addr()).unwrap();
        for how in [&[][..], &["--detach"]] {
            let output = place.up(how).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(
                told(&output),
                format!("error: port {} is in use: choose another with {flag}\n", port.number())
            );
        }
    }
    place.assert_nothing_is_left();
}

#[test]
fn outside_development_a_salt_that_everyone_knows_is_refused_in_one_sentence() {
    let place = Place::new();
    let known = [("ENVIRONMENT", "production"), ("TOLLGATE_SALT", "tollgate-development")];
    let output = place.up(&[]).envs(known).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let refused = refusal(&output);
    assert!(refused.contains(" is refused: ENVIRONMENT is \"production\": expected "), "{refused}");
    place.assert_nothing_is_left();
}

#[test]
fn limits_of_the_environment_are_the_gateways_and_what_the_backend_tells() {
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
    // Signs up and in, and asks who that is: two of three allowed.
    let me = shell(&lines[2]);
    assert!(me.starts_with("HTTP/1.1 200"), "{me}");
    let wrong = shell(&lines[1]);
    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("x-ratelimit-limit: 3"), "{wrong}");
    let refused = shell(&lines[1]);
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");

    // The log-in past the gateway, which takes no more of them.
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

    // A policy that is saved again has them too.
    place.write_policy(31);
    let deadline = Deadline::after(END_LIMIT);
    while !shell(&lines[0]).contains("x-ratelimit-limit: 31") {
        assert!(!deadline.has_passed(), "the new policy is not in force");
        std::thread::sleep(POLL);
    }
    let refused = shell(&lines[1]);
    assert!(refused.contains("x-ratelimit-limit: 3\r"), "{refused}");
}

#[test]
fn switched_off_by_the_environment_nothing_is_refused_and_health_says_so() {
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
fn a_bad_limit_in_the_environment_is_refused_before_anything_is_started() {
    let place = Place::new();
    let told_with = |variable: &str, value: &str, more: &[&str]| {
        let output = place.up(more).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        refusal(&output)
    };
    let shipped = harness::paths::root().join("envoy/policy.yaml");
    assert_eq!(
        told_with("AUTH_RATE_LIMIT_PER_MINUTE", "0", &[]),
        format!(
            "error: the policy {} is refused: AUTH_RATE_LIMIT_PER_MINUTE: buckets.auth.limit: invalid \
             value: integer `0`, expected a whole number from 1 to 9007199254740992\n",
            shipped.display()
        )
    );
    let policy = place.write_policy(30);
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("limit: 30, window: 1m", "limit: 30, per: day")).unwrap();
    let told = told_with("PUBLIC_RATE_LIMIT_PER_MINUTE", "5", &["--policy", &policy]);
    let start = format!("error: the policy {policy} is refused: PUBLIC_RATE_LIMIT_PER_MINUTE: ");
    assert!(told.starts_with(&start), "{told}");
    place.assert_nothing_is_left();
}

#[test]
fn a_bad_policy_is_refused_before_anything_is_done() {
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
        let told = told(&output);
        let start = format!("error: the policy {} is refused: {expected}", policy.display());
        assert!(told.starts_with(&start), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    };
    check("limit: 5,", "limit: 0,", "buckets.auth.limit: ");
    check("window: 1m", "window: 1x", "buckets.");
    check("charge: [auth]", "charge: [nothing]", "rules[1].charge[0]: ");
    check("version: 1", "version: 1\nvesion: 1", "vesion: ");
    place.assert_nothing_is_left();
}
