//! `deploy/docker/build.sh`, run as the images' build runs it: a copy of a checkout with the times of its
//! files, a target folder that other builds have filled, and a real cargo.

use harness::paths;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// When checkouts were made: before anything is built of them.
const LONG_AGO: Duration = Duration::from_secs(1_700_000_000);

/// The folder in which images are built, and the cache that is mounted there.
struct Build(TempDir);

impl Build {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Replaces all but the cache by a checkout: `files`, all as old as each other.
    fn copy(&self, files: &[(&str, &str)]) {
        let _ = std::fs::remove_dir_all(self.file("src"));
        let manifest = "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        for (name, text) in [("Cargo.toml", manifest)].iter().chain(files) {
            let path = self.file(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO).unwrap();
        }
    }

    /// Builds by `words`.
    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.0.path());
        command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS").output().unwrap()
    }

    /// Builds as the Dockerfile does; whether that went well, and whether anything was compiled.
    fn build(&self) -> (bool, bool) {
        let script = paths::root().join("deploy/docker/build.sh");
        let output = self.run(&["sh", path(&script), "cargo", "build", "--offline"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), told.contains("Compiling program"))
    }

    /// What the built program says.
    fn says(&self) -> String {
        let output = self.run(&[path(&self.file("target/debug/program"))]);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A program that prints what `part` has.
fn program(part: &'static str) -> [(&'static str, &'static str); 2] {
    [
        ("src/main.rs", "mod part;\nfn main() { print!(\"{}\", part::SAYS); }\n"),
        ("src/part.rs", part),
    ]
}

const ONE: &str = "pub const SAYS: &str = \"one\";\n";
const TWO: &str = "pub const SAYS: &str = \"two\";\n";
const BAD: &str = "pub const SAYS: &str = ;\n";

#[test]
fn an_image_has_the_code_of_its_own_checkout_whatever_the_cache_was_filled_by() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.says()), ((true, true), "one".to_owned()));
    // Another checkout, whose files are older than what was built of the first.
    build.copy(&program(TWO));
    assert_eq!((build.build(), build.says()), ((true, true), "two".to_owned()));
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.says()), ((true, true), "one".to_owned()));
}

#[test]
fn what_has_not_changed_is_not_built_again() {
    let build = Build::new();
    for compiled in [true, false, false] {
        build.copy(&program(ONE));
        assert_eq!(build.build(), (true, compiled));
    }
}

/// A build that fails may have built some of its files: they are not what the last whole build had.
#[test]
fn after_a_build_that_failed_nothing_of_it_is_taken_for_another() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!(build.build(), (true, true));
    build.copy(&program(BAD));
    assert!(!build.build().0);
    build.copy(&program(BAD));
    assert!(!build.build().0, "it fails again");
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.says()), ((true, true), "one".to_owned()));
    // This one fails after cargo has built all.
    build.copy(&program(TWO));
    let script = paths::root().join("deploy/docker/build.sh");
    let words = ["sh", path(&script), "sh", "-c", "cargo build --offline && false"];
    assert!(!build.run(&words).status.success());
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.says()), ((true, true), "one".to_owned()));
}

#[test]
fn a_file_that_went_and_came_back_is_a_new_one() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!(build.build(), (true, true));
    build.copy(&[("src/main.rs", "fn main() { print!(\"alone\"); }\n")]);
    assert_eq!((build.build(), build.says()), ((true, true), "alone".to_owned()));
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.says()), ((true, true), "one".to_owned()));
}
