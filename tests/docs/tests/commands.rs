//! Runs every command of the README and the book, page by page, as a reader would.
//!
//! A page's `sh` blocks run in order in one shell, in a folder that holds the filter. A block after
//! `<!-- file: NAME -->` is written to that file first, and one after `<!-- output -->` is compared
//! with what the block before it printed. Blocks marked `sh,not-tested` are left out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "helpers of tests"
)]

use docs::markdown::{Block, Page, files};
use harness::setup::PinnedRedis;
use harness::stack::Port;
use harness::{binaries, command, paths, setup, wasm};
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The timeout of one page, on a busy machine.
const PAGE_LIMIT: Duration = Duration::from_secs(300);
/// The most runs of a page.
const TRIES: usize = 3;
/// The ports that pages name; each page gets free ones in their place.
const PORTS: [&str; 8] = ["10000", "9901", "8080", "8081", "8082", "6379", "8000", "8090"];
/// The line that the shell prints before it runs a block, followed by the block's number.
const MARK: &str = "@@ block ";

/// Links the programs that pages call into `dir`, under the names that pages use.
fn programs(dir: &Path) {
    let redis_cli = PinnedRedis::Redis7.program().unwrap().with_file_name("redis-cli");
    for (name, program) in [
        ("tollgate", binaries::build().unwrap().shim),
        ("envoy", setup::envoy().unwrap()),
        ("redis-server", setup::redis().unwrap()),
        ("redis-cli", redis_cli),
        ("curl", setup::curl().unwrap()),
    ] {
        symlink(program, dir.join(name)).unwrap();
    }
}

/// Replaces the numbers of [`PORTS`] with those of `ports`, except inside longer words.
fn with_ports(text: &str, ports: &[Port]) -> String {
    let numbers = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let mut replaced = String::new();
    for word in text.split_inclusive(|c: char| !numbers(c)) {
        let number = word.trim_end_matches(|c: char| !numbers(c));
        match PORTS.iter().position(|port| *port == number) {
            Some(at) => {
                replaced.push_str(&ports[at].number().to_string());
                replaced.push_str(&word[number.len()..]);
            }
            None => replaced.push_str(word),
        }
    }
    replaced
}

/// Checks that the lines of `expected` occur in `found`, in order, each within a line; `…` stands
/// for any text within a line. A page may break a long line of output into several.
fn has_lines(found: &str, expected: &str) -> Result<(), String> {
    let mut rest = found;
    for expected in expected.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let missing = || format!("expected `{expected}`, found:\n{found}");
        let end = rest.split_inclusive('\n').scan(0, |start, line| {
            let at = *start;
            *start += line.len();
            Some((at, line))
        });
        let mut ends = end.filter_map(|(at, line)| Some(at + end_of(line, expected)?));
        rest = rest.get(ends.next().ok_or_else(missing)?..).unwrap_or_default();
    }
    Ok(())
}

/// Returns the end of `pattern`'s first match in `line`.
fn end_of(line: &str, pattern: &str) -> Option<usize> {
    let mut end = 0;
    for part in pattern.split('…') {
        end += line.get(end..)?.find(part)? + part.len();
    }
    Some(end)
}

/// Returns a page's blocks as one script, and the expected outputs, each with its block's number.
fn script(blocks: &[Block], kept: &Path, ports: &[Port]) -> (String, Vec<(usize, String)>) {
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n".to_owned();
    let (mut expected, mut last) = (Vec::new(), None);
    for (number, block) in blocks.iter().enumerate() {
        let text = with_ports(&block.text, ports);
        if let Some(name) = block.comment.strip_prefix("file: ") {
            let copy = kept.join(number.to_string());
            std::fs::write(&copy, text).unwrap();
            writeln!(script, "mkdir -p \"$(dirname '{name}')\"; cp '{}' '{name}'", copy.display())
                .unwrap();
        } else if block.comment == "output" {
            let of = last.unwrap_or_else(|| panic!("line {}: output of what?", block.line));
            let is_empty = text.chars().all(|c| c.is_whitespace() || c == '…');
            assert!(!is_empty, "line {}: expected some output", block.line);
            expected.push((of, text));
        } else if block.info == "sh" {
            writeln!(script, "printf '\\n{MARK}{number}\\n'\n{text}").unwrap();
            last = Some(number);
        }
    }
    (script, expected)
}

fn run(path: &Path, page: &Page, bin: &Path, filter: &Path) -> Result<(), String> {
    let (work, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ports: Vec<_> = PORTS.iter().map(|_| Port::free().unwrap()).collect();
    symlink(filter, work.path().join("tollgate.wasm")).unwrap();
    let (script, expected) = script(&page.blocks, kept.path(), &ports);
    let (file, log) = (kept.path().join("script"), kept.path().join("log"));
    std::fs::write(&file, script).unwrap();
    let path_variable = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = format!("exec >'{}' 2>&1; source '{}'", log.display(), file.display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &run]).current_dir(work.path());
    shell.env("PATH", path_variable).env("TOLLGATE_REPO", paths::root());
    shell.env("FILTER_WASM", filter);
    let ended = command::output(&mut shell, PAGE_LIMIT);
    // Reserved until here, so that no other test is given one of them.
    drop(ports);
    let printed = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    let mark = format!("\n{MARK}");
    let outputs: Vec<(usize, String)> = printed
        .split(&mark)
        .skip(1)
        .map(|part| part.split_once('\n').unwrap_or((part, "")))
        .map(|(number, output)| (number.parse().unwrap_or(usize::MAX), output.to_owned()))
        .collect();
    let place = |number: usize| format!("{}:{}", path.display(), page.blocks[number].line);
    if let Err(error) = ended {
        let (number, output) = outputs.last().cloned().unwrap_or((0, printed));
        return Err(format!("{}: {error}\n{output}", place(number)));
    }
    for (number, text) in expected {
        let output = outputs.iter().find(|(block, _)| *block == number);
        let output = output.map(|(_, output)| output.as_str()).unwrap_or_default();
        has_lines(output, &text).map_err(|error| format!("{}: {error}", place(number)))?;
    }
    Ok(())
}

#[test]
fn every_command_of_the_docs_runs() {
    let bin = tempfile::tempdir().unwrap();
    programs(bin.path());
    let filter: PathBuf = wasm::build().unwrap();
    let docs = paths::root().join("docs");
    let (mut failures, mut blocks) = (Vec::new(), 0);
    for path in files(paths::root()).unwrap() {
        if !path.starts_with(&docs) && !path.ends_with("README.md") {
            continue;
        }
        let page = Page::parse(&std::fs::read_to_string(&path).unwrap());
        let runnable = page.blocks.iter().filter(|block| block.info == "sh").count();
        if runnable > 0 {
            let shown = path.strip_prefix(paths::root()).unwrap();
            // Envoy waits 50 ms for a decision, which a busy machine can exceed. So a page that
            // fails runs again.
            let tries = (0..TRIES).map(|_| run(shown, &page, bin.path(), &filter));
            let failed: Vec<_> =
                tries.map_while(Result::err).inspect(|error| eprintln!("{error}")).collect();
            failures.extend(failed.into_iter().nth(TRIES - 1));
        }
        blocks += runnable;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(blocks > 20, "{blocks} blocks were run");
}

#[test]
fn every_policy_of_the_docs_is_valid() {
    let tollgate = binaries::build().unwrap().shim;
    let dir = tempfile::tempdir().unwrap();
    let mut policies = 0;
    for path in files(paths::root()).unwrap() {
        for block in Page::parse(&std::fs::read_to_string(&path).unwrap()).blocks {
            let is_policy = block.info == "yaml" && block.text.contains("version: 1\n");
            // A guide shows what `policy check` says about this one.
            if !is_policy || block.comment == "file: broken.yaml" {
                continue;
            }
            let file = dir.path().join("policy.yaml");
            std::fs::write(&file, &block.text).unwrap();
            let mut check = Command::new(&tollgate);
            check.args(["policy", "check"]).arg(&file);
            if let Err(error) = command::output(&mut check, PAGE_LIMIT) {
                panic!("{}:{}: {error}", path.display(), block.line);
            }
            policies += 1;
        }
    }
    assert!(policies > 5, "{policies} policies were checked");
}

/// Commands say whether they run: other fences (`bash`, `console`) would be overlooked.
#[test]
fn shell_blocks_are_run_or_marked() {
    for path in files(paths::root()).unwrap() {
        let is_run = path.starts_with(paths::root().join("docs")) || path.ends_with("README.md");
        for block in Page::parse(&std::fs::read_to_string(&path).unwrap()).blocks {
            let is_marked = match block.info.as_str() {
                "sh" => is_run,
                "sh,not-tested" => true,
                _ => block.comment.starts_with("file: "),
            };
            let language = block.info.split(',').next().unwrap_or_default();
            let is_shell = ["sh", "bash", "shell", "console", ""].contains(&language);
            assert!(is_marked || !is_shell, "{}:{}: {}", path.display(), block.line, block.info);
        }
    }
}

#[test]
fn a_command_that_fails_is_found() {
    let bin = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &str| {
        let page = Page::parse(text);
        let found = run(Path::new("p.md"), &page, bin.path(), Path::new("/dev/null"));
        assert!(found.clone().unwrap_err().contains(expected), "{found:?}");
    };
    check("```sh\ntrue\n```\n\n```sh\necho before; false\n```\n", "p.md:5: `bash -euo pipefail");
    check("```sh\necho a\n```\n<!-- output -->\n```text\nb\n```\n", "expected `b`");
    let page = "<!-- file: d/f -->\n```text\n8081 x8081 8081.5\n```\n```sh\ncat d/f\n```\n\
                <!-- output -->\n```text\n… x8081 8081.5\n```\n";
    run(Path::new("p.md"), &Page::parse(page), bin.path(), Path::new("/dev/null")).unwrap();
    check(&page.replace("… x", "no x"), "expected `no x8081 8081.5`");
}

#[test]
fn expected_lines_occur_in_order() {
    let check = |found: &str, expected: &str, same: bool| {
        assert_eq!(has_lines(found, expected).is_ok(), same, "{found} {expected}");
    };
    check("a\nb\nc", "a\nc", true);
    check("a\nb\nc", "c\na", false);
    check("a\nb", "a\na", false);
    check("took 12 ms", "took … ms", true);
    check("took 12\nms", "took … ms", false);
    check("{\"a\":1,\"b\":2}", "{\"a\":1,\n\"b\":2}", true);
    check("{\"a\":1,\"b\":2}", "\"b\":2\n\"a\":1", false);
}
