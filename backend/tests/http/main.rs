//! Tests the built binary over real HTTP on SQLite: every route, what it does and what it refuses.
//! `tests/postgres` runs the same tests on PostgreSQL.
//!
//! `cfg(test)` on each module lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod claude;
#[cfg(test)]
mod client;
#[cfg(test)]
mod database;
#[cfg(test)]
mod user;

#[cfg(test)]
mod account;
#[cfg(test)]
mod ai;
#[cfg(test)]
mod ai_bodies;
#[cfg(test)]
mod ai_cache;
#[cfg(test)]
mod ai_faults;
#[cfg(test)]
mod ai_injection;
#[cfg(test)]
mod ai_load;
#[cfg(test)]
mod ai_recent;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod cached;
#[cfg(test)]
mod health;
#[cfg(test)]
mod login;
#[cfg(test)]
mod me;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod public;
#[cfg(test)]
mod resume_bodies;
#[cfg(test)]
mod resume_export;
#[cfg(test)]
mod resumes;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signup;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod together;
#[cfg(test)]
mod variables;
