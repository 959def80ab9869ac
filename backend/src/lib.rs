//! The companion API: accounts, tokens and their keys, résumés, plans, and the AI routes.
//!
//! The path of a request: [`server`] accepts its connection, one of the [`workers`] serves it,
//! `trace` logs it, `guard` limits it, and [`router`] finds its handler in `routes`. The handler
//! parses the `body` (`fields`) into valid types (such as `password`) and calls `accounts`,
//! `resumes` or `ai`. `accounts` takes the time as an argument and uses `hashing`, [`token`] (with
//! its [`keys`]) and the [`store`]. `resumes` stores what the `resume` crate has checked. The
//! [`cache`] answers repeated requests, and `respond` turns the outcome into HTTP. [`app`]
//! assembles all of this from the [`config`].
//!
//! `caller` reads the token for handlers that take an `accounts::Caller`. `plans` lists the plans,
//! and `ledger` asks the shim for the usage of a `quota`. `ai` has Claude do the AI routes' work,
//! and answers in the shape that `accept` has negotiated. [`key_watch`] keeps the keys in sync with
//! the database. `openapi` merges the routes' descriptions into one document, and [`telemetry`]
//! counts.
//!
//! Invariants by absence: only [`config`] reads the environment, only [`clock`] reads the time,
//! only [`store`] knows SQL, only `respond` maps an error to a status, only `hashing` runs Argon2,
//! only [`keys`] sees a signing key's bytes.

mod accept;
mod accounts;
mod ai;
pub mod app;
mod body;
pub mod cache;
mod caller;
pub mod clock;
pub mod config;
mod cores;
mod counters;
mod database_probe;
pub mod descriptors;
mod digest;
mod etag;
mod fields;
mod guard;
mod hashing;
pub mod key_watch;
pub mod keys;
mod ledger;
mod openapi;
mod page;
mod password;
mod payment;
mod plans;
mod quota;
pub mod redis_probe;
mod refresh_token;
mod respond;
mod resumes;
pub mod router;
mod routes;
pub mod server;
pub mod store;
mod stored_resume;
pub mod telemetry;
pub mod token;
mod trace;
mod unambiguous;
pub mod user;
mod user_secret;
#[cfg(test)]
mod waiting;
pub mod workers;
