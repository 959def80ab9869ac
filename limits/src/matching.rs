//! Matches rules against requests. Called by [`crate::plan`] and [`crate::explain`], so that an
//! explanation always agrees with the decision.

mod when;

use crate::facts::Facts;
use crate::path::NormalPath;
use crate::policy::{Match, Policy, Subject, ValueMatch};
use crate::{cookie, host, key, networks, query};
use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;

/// A request as rules see it. Caches the facts that cost an Envoy call, and fetches each on first
/// use.
pub(crate) struct Seen<'a, F> {
    facts: &'a F,
    path: Option<&'a NormalPath>,
    method: OnceCell<Vec<u8>>,
    host: OnceCell<String>,
    client: OnceCell<Option<IpAddr>>,
    /// The first error of a CEL condition.
    failed: RefCell<Option<String>>,
}

/// The first condition of a rule that a request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// No path pattern matches.
    Path,
    /// No method matches.
    Method,
    /// No host pattern matches.
    Host,
    /// None of the networks contains the client's address.
    Client,
    /// This value does not meet its condition.
    Value(Subject),
    /// This key has no value.
    Key(String),
    /// The request has a verified token and the rule forbids it, or the rule requires one and the
    /// request has none.
    Authenticated,
    /// The CEL condition is false, or cannot be evaluated.
    When,
    /// No alternative matches. Holds the reason for each.
    Any(Vec<Mismatch>),
    /// The conditions under `not` all hold.
    Not,
}

/// The first condition that a request fails, in the rule's own parts.
enum Failing<'a> {
    Path,
    Method,
    Host,
    Client,
    Value(&'a Subject),
    Key(&'a str),
    Authenticated,
    When,
    Any(&'a [Match]),
    Not,
}

impl<'a, F: Facts> Seen<'a, F> {
    pub(crate) fn new(facts: &'a F, path: Option<&'a NormalPath>) -> Self {
        let (method, host, client) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { facts, path, method, host, client, failed: RefCell::default() }
    }

    pub(crate) const fn path(&self) -> Option<&NormalPath> {
        self.path
    }

    /// Takes the first error of a CEL condition.
    pub(crate) fn take_failed(&self) -> Option<String> {
        self.failed.take()
    }

    fn method(&self) -> &[u8] {
        self.method.get_or_init(|| self.facts.method().unwrap_or_default())
    }

    pub(crate) fn host(&self) -> &str {
        self.host.get_or_init(|| host::normal(&self.facts.host().unwrap_or_default()))
    }

    fn client(&self) -> Option<IpAddr> {
        *self.client.get_or_init(|| networks::address(&self.facts.client_address()?))
    }
}

impl Match {
    /// Returns true if `seen` meets all conditions.
    ///
    /// A request without a path (CONNECT) only matches rules without path patterns.
    pub(crate) fn fits<F: Facts>(&self, policy: &Policy, seen: &Seen<'_, F>) -> bool {
        self.failing(policy, seen).is_none()
    }

    /// Returns the first condition of the rule that `seen` fails; `None` if the rule matches.
    pub(crate) fn mismatch<F: Facts>(
        &self,
        policy: &Policy,
        seen: &Seen<'_, F>,
    ) -> Option<Mismatch> {
        Some(match self.failing(policy, seen)? {
            Failing::Path => Mismatch::Path,
            Failing::Method => Mismatch::Method,
            Failing::Host => Mismatch::Host,
            Failing::Client => Mismatch::Client,
            Failing::Value(of) => Mismatch::Value(of.clone()),
            Failing::Key(name) => Mismatch::Key(name.to_owned()),
            Failing::Authenticated => Mismatch::Authenticated,
            Failing::When => Mismatch::When,
            Failing::Any(all) => {
                Mismatch::Any(all.iter().filter_map(|one| one.mismatch(policy, seen)).collect())
            }
            Failing::Not => Mismatch::Not,
        })
    }

    /// Returns the index of the alternative in `any` that matches, then that of the alternative
    /// within it, and so on; empty if the rule has no `any`.
    pub(crate) fn alternatives<F: Facts>(&self, policy: &Policy, seen: &Seen<'_, F>) -> Vec<usize> {
        let mut indices = Vec::new();
        let mut matching = self;
        while let Some(all) = &matching.any {
            let fitting = all.iter().enumerate().find(|(_, one)| one.fits(policy, seen));
            let Some((at, one)) = fitting else { break };
            indices.push(at);
            matching = one;
        }
        indices
    }

    /// Finds the first condition that `seen` fails. Allocates nothing, because it runs for each rule
    /// of each request.
    fn failing<F: Facts>(&self, policy: &Policy, seen: &Seen<'_, F>) -> Option<Failing<'_>> {
        let path_fits = self.paths.as_ref().is_none_or(|patterns| {
            seen.path().is_some_and(|path| patterns.iter().any(|pattern| pattern.matches(path)))
        });
        if !path_fits {
            return Some(Failing::Path);
        }
        let is_method = |method: &String| method.as_bytes() == seen.method();
        if self.methods.as_ref().is_some_and(|all| !all.iter().any(is_method)) {
            return Some(Failing::Method);
        }
        if self.hosts.as_ref().is_some_and(|all| !all.iter().any(|one| one.matches(seen.host()))) {
            return Some(Failing::Host);
        }
        if let Some(sets) = &self.client
            && !seen.client().is_some_and(|ip| sets.iter().any(|set| set.contain(ip)))
        {
            return Some(Failing::Client);
        }
        if let Some(value) = self.values.iter().find(|value| !value.holds(policy, seen)) {
            return Some(Failing::Value(&value.of));
        }
        if let Some(name) =
            self.has_key.as_ref().filter(|name| !key::has_value(policy, name, seen.facts))
        {
            return Some(Failing::Key(name));
        }
        if self.authenticated.is_some_and(|wanted| wanted != seen.facts.is_authenticated()) {
            return Some(Failing::Authenticated);
        }
        if self.when.as_ref().is_some_and(|when| !when.holds(seen)) {
            return Some(Failing::When);
        }
        if let Some(all) = &self.any
            && !all.iter().any(|one| one.fits(policy, seen))
        {
            return Some(Failing::Any(all));
        }
        self.not.as_ref().filter(|not| not.fits(policy, seen)).map(|_| Failing::Not)
    }
}

impl ValueMatch {
    fn holds<F: Facts>(&self, policy: &Policy, seen: &Seen<'_, F>) -> bool {
        let facts = seen.facts;
        let text = match &self.of {
            Subject::Claim(names) => return self.is.holds_for(facts.claim(names).as_ref()),
            Subject::Header(name) => facts.header(name),
            Subject::Query(name) => facts.path().and_then(|path| query::parameter(&path, name)),
            Subject::Cookie(name) => facts.cookies().and_then(|all| cookie::value(&all, name)),
            Subject::Key(name) => key::own_value(policy, name, facts),
        };
        self.is.holds(text.as_deref())
    }
}
