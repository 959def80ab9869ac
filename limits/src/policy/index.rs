//! An index of matches by path and host, so that a request is compared with a few of a thousand
//! rules. Built once per policy, used by [`crate::matched`].
//!
//! The index may return a match that does not fit the request, and never leaves out one that does.
//! The caller checks each candidate in full.

use super::document::MAX_ITEMS;
use super::matches::Match;
use crate::host::{HostPattern, MAX_HOST_BYTES};
use crate::path::NormalPath;
use crate::pattern::{Pattern, Step};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// The fewest matches that are indexed. A few are compared faster one by one.
const MIN_MATCHES: usize = 16;
/// The most segments of a pattern that are indexed.
const MAX_DEPTH: usize = 8;
/// The fewest candidates by path that are also looked up by host.
const MIN_BY_PATH: u32 = 4;
const WORDS: usize = MAX_ITEMS.div_ceil(64);

/// An index of a list of matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchIndex {
    /// A tree of path segments. The first node is the root.
    nodes: Vec<Node>,
    /// `None` if no match has hosts.
    hosts: Option<Hosts>,
}

/// A node of the tree: the segments that lead to it from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    /// Matches with a pattern that ends here.
    exact: Set,
    /// Matches with a pattern that goes on with `**` or is not indexed further.
    open: Set,
    /// The next node by the text of a segment.
    literal: FxHashMap<String, usize>,
    /// The next node for every segment with a `*`.
    glob: Option<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hosts {
    /// Matches for any host.
    any: Set,
    exact: FxHashMap<String, Set>,
    /// Matches for subdomains, by the domain.
    below: FxHashMap<String, Set>,
}

/// Indices of matches: one bit each, or as numbers while there are few.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Few(Vec<usize>),
    Many(Box<[u64; WORDS]>),
}

/// Indices of matches to compare with a request, in order.
#[derive(Debug, Clone)]
pub(crate) enum Candidates {
    /// All matches of a list without an index.
    All(Range<usize>),
    /// Those that an index found.
    Found(Bits),
}

/// Indices as bits, and the word that the next one is in.
#[derive(Debug, Clone)]
pub(crate) struct Bits {
    words: [u64; WORDS],
    at: usize,
}

impl MatchIndex {
    /// Indexes `matches`; `None` if there are too few.
    pub(super) fn new<'a>(matches: impl ExactSizeIterator<Item = &'a Match>) -> Option<Self> {
        if matches.len() < MIN_MATCHES {
            return None;
        }
        let (mut hosts, mut has_hosts) = (Hosts::default(), false);
        let mut index = Self { nodes: vec![Node::default()], hosts: None };
        for (at, matching) in matches.enumerate() {
            match &matching.paths {
                Some(patterns) => patterns.iter().for_each(|pattern| index.add(at, pattern)),
                None => index.node(0, |root| root.open.insert(at)),
            }
            has_hosts |= matching.hosts.is_some();
            match &matching.hosts {
                Some(patterns) => patterns.iter().for_each(|pattern| hosts.add(at, pattern)),
                None => hosts.any.insert(at),
            }
        }
        index.hosts = has_hosts.then_some(hosts);
        Some(index)
    }

    fn add(&mut self, at: usize, pattern: &Pattern) {
        let mut node = 0;
        for (depth, step) in pattern.steps().enumerate() {
            let next = match step {
                Step::Any => return self.node(node, |node| node.open.insert(at)),
                _ if depth == MAX_DEPTH => return self.node(node, |node| node.open.insert(at)),
                Step::Literal(text) => {
                    self.nodes.get(node).and_then(|it| it.literal.get(text)).copied()
                }
                Step::Glob => self.nodes.get(node).and_then(|it| it.glob),
            };
            let next = next.unwrap_or_else(|| {
                let new = self.nodes.len();
                self.node(node, |node| match step {
                    Step::Literal(text) => drop(node.literal.insert(text.to_owned(), new)),
                    Step::Glob | Step::Any => node.glob = Some(new),
                });
                self.nodes.push(Node::default());
                new
            });
            node = next;
        }
        self.node(node, |node| node.exact.insert(at));
    }

    fn node(&mut self, at: usize, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(at) {
            change(node);
        }
    }

    /// Returns the matches that can fit a request with this path. `host` is called if they should be
    /// narrowed down by it.
    pub(crate) fn candidates<'a>(
        &self,
        path: Option<&NormalPath>,
        host: impl FnOnce() -> &'a str,
    ) -> Candidates {
        let mut found = [0; WORDS];
        match path {
            Some(path) => self.collect(0, path.segments(), &mut found),
            None => self.nodes.iter().take(1).for_each(|root| root.open.add_to(&mut found)),
        }
        if let Some(hosts) = &self.hosts
            && found.iter().map(|word| word.count_ones()).sum::<u32>() >= MIN_BY_PATH
        {
            let mut by_host = [0; WORDS];
            hosts.collect(host(), &mut by_host);
            found.iter_mut().zip(by_host).for_each(|(word, by_host)| *word &= by_host);
        }
        Candidates::Found(Bits { words: found, at: 0 })
    }

    /// Adds the matches for `segments` below node `at`. Recurses at most [`MAX_DEPTH`] deep.
    fn collect(&self, at: usize, segments: &[String], found: &mut [u64; WORDS]) {
        let Some(node) = self.nodes.get(at) else { return };
        node.open.add_to(found);
        let Some((first, rest)) = segments.split_first() else {
            return node.exact.add_to(found);
        };
        let literal = node.literal.get(first).copied();
        literal.into_iter().chain(node.glob).for_each(|next| self.collect(next, rest, found));
    }
}

impl Hosts {
    fn add(&mut self, at: usize, pattern: &HostPattern) {
        let map = if pattern.is_below() { &mut self.below } else { &mut self.exact };
        map.entry(pattern.name().to_owned()).or_default().insert(at);
    }

    fn collect(&self, host: &str, found: &mut [u64; WORDS]) {
        self.any.add_to(found);
        self.exact.get(host).into_iter().for_each(|set| set.add_to(found));
        // No domain in a pattern is longer, so a long host costs no more.
        let domains = host
            .rmatch_indices('.')
            .filter_map(|(dot, _)| host.get(dot + 1..))
            .take_while(|domain| domain.len() <= MAX_HOST_BYTES);
        domains.filter_map(|domain| self.below.get(domain)).for_each(|set| set.add_to(found));
    }
}

impl Set {
    /// The most numbers that take no more time than bits.
    const MAX_FEW: usize = WORDS;

    fn insert(&mut self, at: usize) {
        match self {
            Self::Few(few) if few.contains(&at) => {}
            Self::Few(few) if few.len() < Self::MAX_FEW => few.push(at),
            Self::Few(few) => {
                let mut words = Box::new([0; WORDS]);
                few.iter().chain([&at]).for_each(|at| set_bit(&mut words, *at));
                *self = Self::Many(words);
            }
            Self::Many(words) => set_bit(words, at),
        }
    }

    fn add_to(&self, found: &mut [u64; WORDS]) {
        match self {
            Self::Few(few) => few.iter().for_each(|at| set_bit(found, *at)),
            Self::Many(words) => {
                found.iter_mut().zip(words.iter()).for_each(|(word, more)| *word |= more);
            }
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

fn set_bit(words: &mut [u64; WORDS], at: usize) {
    if let Some(word) = words.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

impl Iterator for Candidates {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(range) => range.next(),
            Self::Found(bits) => bits.next(),
        }
    }
}

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let word = self.words.get_mut(self.at)?;
            if *word == 0 {
                self.at += 1;
                continue;
            }
            let bit = word.trailing_zeros();
            *word &= *word - 1;
            return Some(self.at * 64 + usize::try_from(bit).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::FakeRequest;
    use crate::policy::Policy;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Returns patterns and paths of few different segments, so that many match.
    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![4 => "[ab]{1,2}", 1 => Just("*".to_owned()), 1 => "[ab]\\*", 1 => "\\*[ab]"]
    }

    fn pattern() -> impl Strategy<Value = String> {
        let any = prop::option::weighted(0.3, 0..5_usize);
        (prop::collection::vec(segment(), 0..10), any).prop_map(|(mut segments, any)| {
            if let Some(any) = any {
                segments.insert(any.min(segments.len()), "**".to_owned());
            }
            format!("/{}", segments.join("/"))
        })
    }

    fn matching() -> impl Strategy<Value = Value> {
        let host = prop_oneof!["(\\*\\.)?([ab]\\.){0,2}c", Just("*.x".to_owned())];
        let paths = prop::option::of(prop::collection::vec(pattern(), 1..3));
        let hosts = prop::option::of(prop::collection::vec(host, 1..3));
        let method = prop::option::of(prop_oneof![Just("GET"), Just("POST")]);
        (paths, hosts, method).prop_map(|(paths, hosts, method)| {
            let mut matching = json!({});
            if let Some(paths) = paths {
                matching["paths"] = json!(paths);
            }
            if let Some(hosts) = hosts {
                matching["hosts"] = json!(hosts);
            }
            if let Some(method) = method {
                matching["methods"] = json!([method]);
            }
            matching
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_index_agrees_with_a_scan_of_all_rules(
            rules in prop::collection::vec(matching(), 1..60),
            requests in prop::collection::vec(("(/[ab*]{1,2}){0,10}", "([ab]\\.){0,3}[cx]"), 20),
        ) {
            let rules: Vec<_> =
                rules.iter().map(|rule| json!({ "match": rule, "charge": [] })).collect();
            let policy = Policy::from_value(json!({
                "version": 1, "keys": {}, "buckets": {}, "rules": rules,
            })).unwrap();
            for (path, host) in requests {
                let (path, host) = (format!("/{path}").leak(), host.leak());
                let request = FakeRequest { host, ..FakeRequest::get(path) };
                let (plan, explained) = (policy.plan(&request), policy.explain(&request));
                // `explain` looks at every rule, to give a reason for each.
                prop_assert_eq!(plan.unwrap().matched, explained.unwrap().matched, "{} {}", host, path);
            }
        }
    }

    #[test]
    fn a_request_without_a_path_or_with_a_long_host_is_looked_up_too() {
        let rule = |at: usize| json!({ "match": { "paths": [format!("/{at}")] }, "charge": [] });
        let mut rules: Vec<_> = (0..999).map(rule).collect();
        rules.push(json!({ "match": { "hosts": ["*.c"] }, "charge": [] }));
        let policy = Policy::from_value(json!({
            "version": 1, "keys": {}, "buckets": {}, "rules": rules,
        }));
        let policy = policy.unwrap();
        let long: &str = format!("{}c", "a.".repeat(30_000)).leak();
        let request = FakeRequest { host: long, ..FakeRequest::get("/x") };
        assert_eq!(policy.plan(&request).unwrap().matched.rule, Some(999));
        assert_eq!(policy.plan(&FakeRequest::get("/998")).unwrap().matched.rule, Some(998));
        assert_eq!(policy.plan(&FakeRequest::get("/x")).unwrap().matched.rule, None);
    }
}
