//! Finds cycles among the files of a crate, so that each file can be read after those it builds on.
//!
//! Called by [`crate::test`] and [`crate::check`]. A file imports from another if its code names a
//! path into it, in a `use` or elsewhere. A `mod` declaration alone is not an import. Tests are left
//! out.

use anyhow::{Result, anyhow, ensure};
use harness::paths;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// The crates whose files must not import from each other in a cycle.
const CRATES: [&str; 12] = [
    "limits",
    "ledger",
    "filter",
    "shim",
    "backend",
    "backend/resume",
    "backend/claude",
    "backend/claude-sim",
    "tests/docs",
    "tests/harness",
    "tests/recipes",
    "tests/simulator",
];

/// A crate's files: paths below `src` without `.rs`, and texts.
type Sources = BTreeMap<String, String>;
/// The files that a file imports from, each with one of the paths that lead there.
type Imports<'a> = BTreeMap<&'a str, String>;

/// Checks all of [`CRATES`].
pub(crate) fn run() -> Result<()> {
    let mut found = Vec::new();
    for name in CRATES {
        let mut sources = Sources::new();
        read(&paths::root().join(name).join("src"), "", &mut sources)?;
        found.extend(cycles(&sources)?.into_iter().map(|cycle| format!("{name}: {cycle}")));
    }
    ensure!(
        found.is_empty(),
        "these files import from each other in a cycle:\n{}",
        found.join("\n")
    );
    Ok(())
}

/// Reads the files in `dir`, whose names start with `prefix`.
fn read(dir: &Path, prefix: &str, sources: &mut Sources) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{stem}");
        if stem == "tests" {
            continue;
        }
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Describes a shortest cycle through each file that is in one, each cycle once.
fn cycles(sources: &Sources) -> Result<Vec<String>> {
    let mut all = BTreeMap::new();
    for (file, text) in sources {
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{file}.rs: {error}"))?;
        let mut paths = Vec::new();
        collect_paths(tokens, &[], &mut paths);
        let imports = paths.into_iter().filter_map(|path| {
            let target = target(file, &path, sources).filter(|target| *target != file)?;
            Some((target, path.join("::")))
        });
        all.insert(file.as_str(), imports.collect::<Imports<'_>>());
    }
    let mut seen = BTreeSet::new();
    let cycles = all.keys().filter_map(|file| shortest_cycle(file, &all));
    let distinct = cycles.filter(|cycle| seen.insert(BTreeSet::from_iter(cycle.clone())));
    Ok(distinct.map(|cycle| cycle.join(" → ")).collect())
}

/// Collects the paths in `tokens`, each behind `prefix`.
fn collect_paths(tokens: TokenStream, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let mut tokens = tokens.into_iter();
    let mut path = prefix.to_vec();
    let mut colons = 2;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    paths.push(std::mem::take(&mut path));
                }
                path.push(name.to_string());
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                path.extend(is_glob(&token, &path).then(|| "*".to_owned()));
                paths.push(std::mem::replace(&mut path, prefix.to_vec()));
                colons = 2;
                continue;
            }
            TokenTree::Group(group) if is_test(&group) => {
                tokens.find(ends_item);
            }
            // The path in `pub(in …)` is not an import.
            TokenTree::Group(_) if path.last().is_some_and(|last| last == "pub") => path.clear(),
            TokenTree::Group(group) => {
                let prefix = if colons == 2 { std::mem::take(&mut path) } else { Vec::new() };
                collect_paths(group.stream(), &prefix, paths);
            }
        }
        colons = 0;
    }
    paths.push(path);
}

/// Returns true for the `*` of a `use`.
fn is_glob(token: &TokenTree, path: &[String]) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '*') && !path.is_empty()
}

/// Returns true for the brackets of `#[cfg(test)]`.
fn is_test(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Returns true for the `;` or the block that an item ends with.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

/// Returns the file that `path` in `file` leads to.
fn target<'a>(file: &str, path: &[String], sources: &'a Sources) -> Option<&'a str> {
    let own: Vec<&str> = file.split('/').filter(|name| *name != "lib").collect();
    let (first, names) = path.split_first().filter(|(_, names)| !names.is_empty())?;
    let child = [own.as_slice(), &[first.as_str()]].concat();
    let mut module = match first.as_str() {
        "crate" => Vec::new(),
        "self" => own,
        "super" => own.split_last()?.1.to_vec(),
        _ if sources.contains_key(&child.join("/")) => child,
        _ => return None,
    };
    for name in names {
        if name == "super" {
            module.pop();
            continue;
        }
        module.push(name);
        if !sources.contains_key(&module.join("/")) {
            module.pop();
            break;
        }
    }
    let found = if module.is_empty() { "lib".to_owned() } else { module.join("/") };
    sources.get_key_value(&found).map(|(name, _)| name.as_str())
}

/// Returns the files of a shortest way from `start` back to itself, each with the path that leads on.
fn shortest_cycle(start: &str, all: &BTreeMap<&str, Imports<'_>>) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in all.get(way.last()?)?.keys() {
            if *next == start {
                return Some(described(&way, all));
            }
            if seen.insert(*next) {
                ways.push_back([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

fn described(way: &[&str], all: &BTreeMap<&str, Imports<'_>>) -> Vec<String> {
    let next = way.iter().cycle().skip(1);
    let import = |(from, to): (&&str, &&str)| {
        let path = all.get(from).and_then(|imports| imports.get(to))?;
        Some(format!("{from}.rs (`{path}`)"))
    };
    way.iter().zip(next).filter_map(import).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let sources = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        assert_eq!(cycles(&sources.collect()).unwrap(), expected);
    }

    #[test]
    fn a_cycle_is_found_with_its_imports() {
        check(
            &[
                ("lib", "mod a; mod b; pub use a::A;"),
                ("a", "mod c; use crate::b::{self, B};"),
                ("a/c", "use super::A;"),
                ("b", "fn b() { crate::a::c::run(\"crate::lib\") }"),
            ],
            &["a.rs (`crate::b::B`) → b.rs (`crate::a::c::run`) → a/c.rs (`super::A`)"],
        );
        check(
            &[("a", "mod b; use b::*;"), ("a/b", "use super::*;")],
            &["a.rs (`b::*`) → a/b.rs (`super::*`)"],
        );
    }

    #[test]
    fn paths_that_are_not_imports_do_not_count() {
        let a = "mod b; mod c; use b::B; // crate::d\n#[cfg(test)] mod tests { use super::c::C; }";
        let b = "pub(in crate::a) struct B; #[cfg(test)] use super::A;";
        check(&[("a", a), ("a/b", b), ("a/c", "impl super::A {}"), ("d", "\"crate::a::b\"")], &[]);
    }
}
