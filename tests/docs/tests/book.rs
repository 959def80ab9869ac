//! The book and the other Markdown files: links lead somewhere, the table of contents is complete,
//! and generated tables match the code.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use docs::markdown::{Page, files};
use harness::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn pages() -> BTreeMap<PathBuf, Page> {
    let files = files(paths::root()).unwrap();
    let read = |path: &PathBuf| Page::parse(&std::fs::read_to_string(path).unwrap());
    files.iter().map(|path| (path.clone(), read(path))).collect()
}

/// Resolves `.` and `..` without looking at the disk.
fn normalized(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::CurDir => {}
            part => parts.push(part),
        }
    }
    parts
}

/// Returns the mistake in `link`, which is in the file `from`, if there is one.
fn mistake(pages: &BTreeMap<PathBuf, Page>, from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        file => normalized(&from.parent().unwrap().join(file)),
    };
    match (pages.get(&target), anchor) {
        _ if !target.exists() => Some(format!("{link}: no such file")),
        (_, "") => None,
        (Some(page), anchor) if page.anchors.iter().any(|known| known == anchor) => None,
        (Some(_), _) => Some(format!("{link}: no such heading")),
        (None, _) => Some(format!("{link}: only Markdown files have headings")),
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut mistakes = Vec::new();
    for (path, page) in &pages {
        for (link, line) in &page.links {
            if let Some(mistake) = mistake(&pages, path, link) {
                let shown = path.strip_prefix(paths::root()).unwrap().display();
                mistakes.push(format!("{shown}:{line}: {mistake}"));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(pages.values().map(|page| page.links.len()).sum::<usize>() > 100);
}

#[test]
fn a_broken_link_is_found() {
    let root = paths::root();
    let pages = BTreeMap::from([(root.join("README.md"), Page::parse("# Title"))]);
    let from = root.join("docs/SUMMARY.md");
    let check = |link: &str, expected: Option<&str>| {
        assert_eq!(mistake(&pages, &from, link).as_deref(), expected, "{link}");
    };
    check("../README.md#title", None);
    check("https://example.org/x", None);
    check("../README.md#titel", Some("../README.md#titel: no such heading"));
    check("../REDME.md", Some("../REDME.md: no such file"));
    check("../Cargo.toml#a", Some("../Cargo.toml#a: only Markdown files have headings"));
}

#[test]
fn the_table_of_contents_lists_every_page_by_its_title() {
    let docs = paths::root().join("docs");
    let pages = pages();
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut listed = BTreeSet::new();
    for line in summary.lines() {
        let Some((_, rest)) = line.split_once('[') else { continue };
        let (title, rest) = rest.split_once("](").unwrap();
        let path = docs.join(rest.trim_end_matches(')'));
        let page = pages.get(&path).unwrap_or_else(|| panic!("{} is missing", path.display()));
        assert_eq!(page.headings.first().map(String::as_str), Some(title), "{}", path.display());
        assert!(listed.insert(path), "{line} is listed twice");
    }
    let all: BTreeSet<_> = pages
        .into_keys()
        .filter(|path| path.starts_with(&docs) && !path.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(listed, all);
}

#[test]
fn generated_tables_match_the_code() {
    let stale = docs::generate::stale().unwrap();
    let names: Vec<_> = stale.iter().map(|page| page.path.as_str()).collect();
    assert!(names.is_empty(), "{names:?} no longer match the code: run `cargo xtask docs`");
}
