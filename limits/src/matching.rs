//! Matches rules against requests. Called by [`crate::plan`] and [`crate::explain`], so that an
//! explanation always agrees with the decision.

use crate::facts::Facts;
use crate::host;
use crate::key;
use crate::path::NormalPath;
use crate::policy::{HeaderMatch, Match, Policy};
use std::cell::OnceCell;

/// A request as rules see it. Caches the facts that cost an Envoy call, and fetches each on first
/// use.
pub(crate) struct Seen<'a, F> {
    facts: &'a F,
    path: Option<NormalPath>,
    method: OnceCell<Vec<u8>>,
    host: OnceCell<String>,
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
    /// This header does not match.
    Header(String),
    /// This key has no value.
    Key(String),
    /// The request has a verified token and the rule forbids it, or the rule requires one and the
    /// request has none.
    Authenticated,
}

impl<'a, F: Facts> Seen<'a, F> {
    pub(crate) fn new(facts: &'a F, path: Option<NormalPath>) -> Self {
        Self { facts, path, method: OnceCell::new(), host: OnceCell::new() }
    }

    pub(crate) const fn path(&self) -> Option<&NormalPath> {
        self.path.as_ref()
    }

    fn method(&self) -> &[u8] {
        self.method.get_or_init(|| self.facts.method().unwrap_or_default())
    }

    fn host(&self) -> &str {
        self.host.get_or_init(|| host::normal(&self.facts.host().unwrap_or_default()))
    }
}

impl Match {
    /// Returns the first condition of the rule that `seen` fails; `None` if the rule matches.
    ///
    /// A request without a path (CONNECT) only matches rules without path patterns.
    pub(crate) fn mismatch<F: Facts>(
        &self,
        policy: &Policy,
        seen: &Seen<'_, F>,
    ) -> Option<Mismatch> {
        let path_fits = self.paths.as_ref().is_none_or(|patterns| {
            seen.path().is_some_and(|path| patterns.iter().any(|pattern| pattern.matches(path)))
        });
        let method_fits = || {
            let methods = self.methods.as_ref();
            methods.is_none_or(|all| all.iter().any(|method| method.as_bytes() == seen.method()))
        };
        let host_fits =
            || self.hosts.as_ref().is_none_or(|all| all.iter().any(|one| one.matches(seen.host())));
        let token_fits = || self.authenticated.is_none_or(|is| is == seen.facts.is_authenticated());
        if !path_fits {
            return Some(Mismatch::Path);
        }
        if !method_fits() {
            return Some(Mismatch::Method);
        }
        if !host_fits() {
            return Some(Mismatch::Host);
        }
        if let Some((name, _)) = self.headers.iter().find(|(name, is)| !is.fits(name, seen.facts)) {
            return Some(Mismatch::Header(name.clone()));
        }
        if let Some(name) =
            self.has_key.as_ref().filter(|name| !key::has_value(policy, name, seen.facts))
        {
            return Some(Mismatch::Key(name.clone()));
        }
        (!token_fits()).then_some(Mismatch::Authenticated)
    }
}

impl HeaderMatch {
    fn fits(&self, name: &str, facts: &impl Facts) -> bool {
        let value = facts.header(name);
        match self {
            Self::Present(wanted) => value.is_some() == *wanted,
            Self::Exact(text) => value.as_deref() == Some(text.as_bytes()),
            Self::Prefix(prefix) => value.is_some_and(|value| value.starts_with(prefix.as_bytes())),
        }
    }
}
