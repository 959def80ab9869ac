//! The handlers: each parses, asks, and answers. What they decide is decided elsewhere.

pub mod ai;
pub mod auth;
pub mod docs;
pub mod export;
pub mod health;
pub mod index;
pub mod jwks;
pub mod me;
pub mod metrics;
pub mod plans;
pub mod resumes;
pub mod usage;
