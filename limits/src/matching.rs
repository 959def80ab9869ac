//! Whether a rule is for a request, and if not, why. Called by [`crate::plan`] and by
//! [`crate::explain`], so that what is explained is what happens.

use crate::facts::Facts;
use crate::host;
use crate::key;
use crate::path::NormalPath;
use crate::policy::{HeaderMatch, Match, Policy};
use std::cell::OnceCell;

/// A request as rules see it. What costs a call of Envoy is asked for when a rule needs it.
pub(crate) struct Seen<'a, F> {
    facts: &'a F,
    path: Option<NormalPath>,
    method: OnceCell<Vec<u8>>,
    host: OnceCell<String>,
}

/// The first part of a rule that a request does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// None of the paths.
    Path,
    /// None of the methods.
    Method,
    /// None of the hosts.
    Host,
    /// Not what this header must be.
    Header(String),
    /// No value of its own for this key.
    Key(String),
    /// A token where none must be, or none where one must be.
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
    /// What keeps the rule from being for the request `seen`, if anything does.
    ///
    /// A request without a path (CONNECT) is matched only by rules that name none.
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
            self.has_key.as_ref().filter(|name| !key::is_there(policy, name, seen.facts))
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
