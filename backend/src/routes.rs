//! The HTTP handlers. Each parses the request, calls the domain code, and renders the reply.

pub(crate) mod ai;
pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod jwks;
pub(crate) mod me;
pub(crate) mod metrics;
pub(crate) mod plans;
pub(crate) mod resumes;
pub(crate) mod usage;
