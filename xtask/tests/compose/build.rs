//! Tests of `deploy/docker/build.sh` under the conditions of an image's build: a copy of a checkout with
//! the original file times, a target folder filled by other builds, and a real cargo.

use harness::paths;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// The modification time of all files in a checkout, which is before any build.
const LONG_AGO: Duration = Duration::from_secs(1_700_000_000);

/// The folder of an image's build, including the mounted cache.
struct Build(TempDir);

impl Build {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Replaces the sources, but not the cache, with `files`, which all have the same time.
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

    /// Runs the command `words` in the folder.
    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.0.path());
        command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS").output().unwrap()
    }

    /// Builds as the Dockerfile does. Returns true if that succeeded, and true if anything was compiled.
    fn build(&self) -> (bool, bool) {
        let script = paths::root().join("deploy/docker/build.sh");
        let output = self.run(&["sh", path(&script), "cargo", "build", "--offline"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), stderr.contains("Compiling program"))
    }

    /// Runs the built program and returns its output.
    fn program_output(&self) -> String {
        let output = self.run(&[path(&self.file("target/debug/program"))]);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the sources of a program that prints the text in `part`.
fn program(part: &'static str) -> [(&'static str, &'static str); 2] {
    [
        ("src/main.rs", "mod part;\nfn main() { print!(\"{}\", part::TEXT); }\n"),
        ("src/part.rs", part),
    ]
}

const ONE: &str = "pub const TEXT: &str = \"one\";\n";
const TWO: &str = "pub const TEXT: &str = \"two\";\n";
const BAD: &str = "pub const TEXT: &str = ;\n";

#[test]
fn an_image_has_its_own_checkouts_code_even_if_another_one_filled_the_cache() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.program_output()), ((true, true), "one".to_owned()));
    // Another checkout, whose files are older than the outputs of the first build.
    build.copy(&program(TWO));
    assert_eq!((build.build(), build.program_output()), ((true, true), "two".to_owned()));
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.program_output()), ((true, true), "one".to_owned()));
}

#[test]
fn unchanged_files_are_not_built_again() {
    let build = Build::new();
    for compiled in [true, false, false] {
        build.copy(&program(ONE));
        assert_eq!(build.build(), (true, compiled));
    }
}

/// A failed build can leave outputs of some of its files. They must not be used for later builds.
#[test]
fn outputs_of_a_failed_build_are_not_reused() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!(build.build(), (true, true));
    build.copy(&program(BAD));
    assert!(!build.build().0);
    build.copy(&program(BAD));
    assert!(!build.build().0, "the build must fail again");
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.program_output()), ((true, true), "one".to_owned()));
    // This build fails after cargo has built everything.
    build.copy(&program(TWO));
    let script = paths::root().join("deploy/docker/build.sh");
    let words = ["sh", path(&script), "sh", "-c", "cargo build --offline && false"];
    assert!(!build.run(&words).status.success());
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.program_output()), ((true, true), "one".to_owned()));
}

#[test]
fn a_file_that_was_removed_and_added_again_is_rebuilt() {
    let build = Build::new();
    build.copy(&program(ONE));
    assert_eq!(build.build(), (true, true));
    build.copy(&[("src/main.rs", "fn main() { print!(\"alone\"); }\n")]);
    assert_eq!((build.build(), build.program_output()), ((true, true), "alone".to_owned()));
    build.copy(&program(ONE));
    assert_eq!((build.build(), build.program_output()), ((true, true), "one".to_owned()));
}
