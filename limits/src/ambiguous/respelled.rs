//! A request with another spelling of its path.

use crate::facts::{Facts, Value};

/// The facts of a request, with its path in another spelling.
pub(crate) struct Respelled<'a, F> {
    facts: &'a F,
    path: Vec<u8>,
}

impl<'a, F> Respelled<'a, F> {
    pub(crate) const fn new(facts: &'a F, path: Vec<u8>) -> Self {
        Self { facts, path }
    }
}

impl<F: Facts> Facts for Respelled<'_, F> {
    fn path(&self) -> Option<Vec<u8>> {
        Some(self.path.clone())
    }

    fn method(&self) -> Option<Vec<u8>> {
        self.facts.method()
    }

    fn host(&self) -> Option<Vec<u8>> {
        self.facts.host()
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.facts.header(name)
    }

    fn cookies(&self) -> Option<Vec<u8>> {
        self.facts.cookies()
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        self.facts.claim(names)
    }

    fn is_authenticated(&self) -> bool {
        self.facts.is_authenticated()
    }

    fn refused_token(&self) -> Option<Vec<u8>> {
        self.facts.refused_token()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        self.facts.client_address()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        self.facts.route_name()
    }

    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.facts.route_metadata(names)
    }

    fn metadata(&self, names: &[String]) -> Option<Value> {
        self.facts.metadata(names)
    }
}
