//! Startup failures and their messages.

use super::backend::{Backend, TIMEOUT, command};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Runs the program with these variables and arguments, in a folder that must stay empty.
fn run(vars: &[(&str, &str)], arguments: &[&str]) -> Output {
    let dir = TempDir::new().unwrap();
    let output = command(vars).args(arguments).current_dir(dir.path()).output().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the program left files behind");
    output
}

/// Returns the folder of a backend's database.
fn dir(backend: &Backend) -> &Path {
    Path::new(backend.url.strip_prefix("sqlite://").unwrap()).parent().unwrap()
}

/// Returns the exit code and standard error.
fn outcome(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn an_invalid_value_is_one_sentence_and_exit_code_2() {
    let bad = [
        ("LISTEN_ADDR", "localhost"),
        ("DATABASE_URL", "mysql://me:secret@db/x"),
        ("REDIS_URL", "http://me:secret@cache"),
        ("ENVIRONMENT", "two\nlines"),
        ("CACHE_ENABLED", "maybe"),
        ("RATE_LIMIT_ENABLED", "2"),
        ("JWT_ISSUER", "a b"),
        ("JWT_AUDIENCE", "ä"),
        ("ACCESS_TOKEN_TTL", "15m"),
        ("REFRESH_TOKEN_TTL", "0"),
        ("PRO_AI_ASSIST_LIMIT", "many"),
        ("TOLLGATE_URL", "shim:8081"),
        ("TOLLGATE_SALT", "a b"),
        ("BACKEND_LOG", "loud"),
    ];
    let mut sentences = String::new();
    for (variable, value) in bad {
        for arguments in [&[][..], &["healthcheck"]] {
            let (code, sentence) = outcome(&run(&[(variable, value)], arguments));
            assert_eq!(code, Some(2), "{variable}: {sentence}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
            if arguments.is_empty() {
                sentences += &sentence;
            }
        }
    }
    insta::assert_snapshot!(sentences, @r#"
    LISTEN_ADDR: expected an address with a port, such as 127.0.0.1:8000, found "localhost"
    DATABASE_URL: expected sqlite://FILE, such as sqlite://tollgate.db, or postgres://USER@HOST/DATABASE, found "…@db/x"
    REDIS_URL: expected redis://HOST:PORT or rediss://HOST:PORT (TLS), with optional USER:PASSWORD@ and /DB, found "…@cache"
    ENVIRONMENT: expected a word such as production (at most 32 letters, digits, - or _), found "two\nlines"
    CACHE_ENABLED: expected true or false, found "maybe"
    RATE_LIMIT_ENABLED: expected true or false, found "2"
    JWT_ISSUER: expected a name or URL such as tollgate (1 to 255 visible ASCII characters), found "a b"
    JWT_AUDIENCE: expected a name or URL such as tollgate (1 to 255 visible ASCII characters), found "ä"
    ACCESS_TOKEN_TTL: expected a number of seconds from 1 to 86400, found "15m"
    REFRESH_TOKEN_TTL: expected a number of seconds from 1 to 31536000, found "0"
    PRO_AI_ASSIST_LIMIT: expected a number of requests from 1 to 1000000, found "many"
    TOLLGATE_URL: expected http://HOST:PORT, such as http://127.0.0.1:8081, found "shim:8081"
    TOLLGATE_SALT: expected a name or URL such as tollgate (1 to 255 visible ASCII characters), found something else
    BACKEND_LOG: expected a level such as info, or levels by module such as info,backend=debug, found "loud"
    "#);
}

#[test]
fn a_port_in_use_is_one_sentence_and_leaves_no_database() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, sentence) = outcome(&run(&[("LISTEN_ADDR", &address)], &[]));
    assert_eq!(code, Some(1));
    let sentence = sentence.replace(&address, "ADDRESS");
    insta::assert_snapshot!(sentence, @"LISTEN_ADDR: cannot listen on ADDRESS, choose another: Address already in use (os error 98)");
}

#[test]
fn an_unusable_database_is_one_sentence() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("text.db"), "This is no database.\n".repeat(100)).unwrap();
    fs::create_dir(dir.path().join("folder.db")).unwrap();
    let mut sentences = String::new();
    for file in ["text.db", "folder.db", "missing/test.db"] {
        let url = format!("sqlite://{}", dir.path().join(file).display());
        let vars = [("LISTEN_ADDR", "127.0.0.1:0"), ("DATABASE_URL", &url)];
        let (code, sentence) = outcome(&run(&vars, &[]));
        assert_eq!((code, sentence.lines().count()), (Some(1), 1), "{sentence}");
        sentences += &sentence;
    }
    insta::assert_snapshot!(sentences.replace(dir.path().to_str().unwrap(), "DIR"), @r#"
    DATABASE_URL: cannot use DIR/text.db as a database: error returned from database: (code: 26) file is not a database
    DATABASE_URL: cannot open or create DIR/folder.db: Is a directory (os error 21)
    DATABASE_URL: cannot open or create DIR/missing/test.db: No such file or directory (os error 2)
    "#);
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let backend = Backend::start();
    backend.execute("INSERT INTO _sqlx_migrations VALUES (999, 'later', 0, TRUE, x'00', 0)");
    let url = backend.url.as_str();
    let vars = [("LISTEN_ADDR", "127.0.0.1:0"), ("DATABASE_URL", url)];
    let (code, sentence) = outcome(&run(&vars, &[]));
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(sentence.replace(dir(&backend).to_str().unwrap(), "DIR"), @"DATABASE_URL: cannot use DIR/test.db as a database: its schema is from a newer version (migration 999): run that version, or choose another database");
}

#[test]
fn the_database_files_are_private() {
    let backend = Backend::start();
    backend.sign_up("ada@example.org", "12345678");
    for entry in fs::read_dir(dir(&backend)).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
    }
}

#[test]
fn unknown_arguments_are_refused() {
    let (code, sentence) = outcome(&run(&[], &["serve", "--port"]));
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(sentence, @r#"tollgate-backend: expected no argument, rotate-key, openapi, healthcheck, --version or --help, found "serve""#);
    for (argument, starts) in
        [("--version", "tollgate-backend 0."), ("--help", "tollgate-backend: ")]
    {
        let output = run(&[], &[argument]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(starts), "{argument}");
    }
}

#[test]
fn the_healthcheck_passes_while_the_service_runs() {
    let backend = Backend::start();
    let address = backend.address.to_string();
    let (code, stderr) = outcome(&run(&[("LISTEN_ADDR", &address)], &["healthcheck"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    backend.stop();
    let (code, sentence) = outcome(&run(&[("LISTEN_ADDR", &address)], &["healthcheck"]));
    assert_eq!((code, sentence.lines().count()), (Some(1), 1), "{sentence}");
    insta::assert_snapshot!(sentence.replace(&address, "ADDRESS"), @"GET http://ADDRESS/health: Connection refused (os error 111)");
}

#[test]
fn the_healthcheck_fails_if_another_service_answers() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answers = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap();
    });
    let (code, sentence) = outcome(&run(&[("LISTEN_ADDR", &address)], &["healthcheck"]));
    answers.join().unwrap();
    assert_eq!((code, sentence.lines().count()), (Some(1), 1), "{sentence}");
}

/// A process with a limit on file descriptors. It is killed when dropped.
struct Limited(Child);

impl Limited {
    /// Runs the program with a limit on file descriptors (arguments of `ulimit`), on a new
    /// database.
    fn start(limit: &str, dir: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit {limit}; exec \"$0\""));
        shell.arg(env!("CARGO_BIN_EXE_tollgate-backend"));
        shell.env("LISTEN_ADDR", "127.0.0.1:0").env("DATABASE_URL", "sqlite://backend.db");
        Self(shell.current_dir(dir).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Returns the soft and the hard limit on file descriptors.
    fn descriptors(&self) -> Option<(u64, u64)> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.0.id())).ok()?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Polls until `is_true` returns true.
fn wait_until(mut is_true: impl FnMut() -> bool) {
    let pause = Duration::from_millis(20);
    let attempts = TIMEOUT.as_millis() / pause.as_millis();
    let succeeded = (0..attempts).any(|_| {
        sleep(pause);
        is_true()
    });
    assert!(succeeded, "not within {TIMEOUT:?}");
}

#[test]
fn the_file_descriptor_limit_is_raised_or_too_low() {
    let dir = TempDir::new().unwrap();
    let mut low = Limited::start("-n 100", dir.path());
    wait_until(|| low.0.try_wait().unwrap().is_some());
    let mut sentence = String::new();
    low.0.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
    assert_eq!(low.0.wait().unwrap().code(), Some(1), "{sentence}");
    assert!(sentence.contains("file descriptors, found a limit of 100"), "{sentence}");
    let raised = Limited::start("-S -n 200", dir.path());
    wait_until(|| raised.descriptors().is_some_and(|(soft, hard)| soft >= hard.min(1_536)));
}
