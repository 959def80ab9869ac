//! The companion API: accounts, tokens and their keys, résumés, plans, and the AI routes.
//!
//! A request's path, file after file: [`server`] accepts it, one of the [`workers`] serves it,
//! `trace` names and logs it, `guard` bounds it, [`router`] finds its handler in `routes`;
//! the handler takes its `body` apart (`fields`) into types that cannot be wrong
//! (`password`), asks `accounts`, which is handed the time and asks `hashing`, [`token`] (with
//! its [`keys`]) and the [`store`], or `resumes`, which keeps what the `resume` crate has checked; what
//! was answered before comes out of the [`cache`]; and `respond` turns the outcome into HTTP.
//! [`app`] puts all of it together from the [`config`].
//!
//! A handler that takes an `accounts::Caller` gets it from `caller`, which reads the token.
//! `plans` says what there is to buy; `ledger` asks the shim what is left of a `quota`.
//! `ai` has Claude do what the AI routes offer, and answers in the shape that `accept` has read.
//! [`key_watch`] keeps the keys up to date with the database.
//! `openapi` makes one document of what the routes say of themselves, and [`telemetry`] counts.
//!
//! Invariants by absence: only [`config`] reads the environment, only [`clock`] reads the time,
//! only [`store`] knows SQL, only `respond` maps an error to a status, only `hashing` runs
//! Argon2, only [`keys`] sees a signing key's bytes.

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
