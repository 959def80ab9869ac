//! Runs the tests of `tests/http` on a real PostgreSQL, and tests specific to PostgreSQL.
//!
//! `start` tests SQLite's files, so it is not included.

#[cfg(test)]
#[path = "../http/backend.rs"]
mod backend;
#[cfg(test)]
#[path = "../http/claude.rs"]
mod claude;
#[cfg(test)]
#[path = "../http/client.rs"]
mod client;
#[cfg(test)]
#[path = "../http/database.rs"]
mod database;
#[cfg(test)]
#[path = "../http/user.rs"]
mod user;

#[cfg(test)]
#[path = "../http/account.rs"]
mod account;
#[cfg(test)]
#[path = "../http/ai.rs"]
mod ai;
#[cfg(test)]
#[path = "../http/ai_bodies.rs"]
mod ai_bodies;
#[cfg(test)]
#[path = "../http/ai_cache.rs"]
mod ai_cache;
#[cfg(test)]
#[path = "../http/ai_faults.rs"]
mod ai_faults;
#[cfg(test)]
#[path = "../http/ai_injection.rs"]
mod ai_injection;
#[cfg(test)]
#[path = "../http/ai_load.rs"]
mod ai_load;
#[cfg(test)]
#[path = "../http/ai_recent.rs"]
mod ai_recent;
#[cfg(test)]
#[path = "../http/bodies.rs"]
mod bodies;
#[cfg(test)]
#[path = "../http/cached.rs"]
mod cached;
#[cfg(test)]
#[path = "../http/health.rs"]
mod health;
#[cfg(test)]
#[path = "../http/login.rs"]
mod login;
#[cfg(test)]
#[path = "../http/me.rs"]
mod me;
#[cfg(test)]
#[path = "../http/plans.rs"]
mod plans;
#[cfg(test)]
#[path = "../http/public.rs"]
mod public;
#[cfg(test)]
#[path = "../http/resume_bodies.rs"]
mod resume_bodies;
#[cfg(test)]
#[path = "../http/resume_export.rs"]
mod resume_export;
#[cfg(test)]
#[path = "../http/resumes.rs"]
mod resumes;
#[cfg(test)]
#[path = "../http/rotation.rs"]
mod rotation;
#[cfg(test)]
#[path = "../http/sessions.rs"]
mod sessions;
#[cfg(test)]
#[path = "../http/signup.rs"]
mod signup;
#[cfg(test)]
#[path = "../http/stop.rs"]
mod stop;
#[cfg(test)]
#[path = "../http/strangers.rs"]
mod strangers;
#[cfg(test)]
#[path = "../http/together.rs"]
mod together;

#[cfg(test)]
mod outages;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod server;
