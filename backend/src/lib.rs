//! The companion API: accounts, tokens and their keys, résumés, plans, and the AI routes.
//!
//! A request's path, file after file: [`server`] accepts it, one of the [`workers`] serves it,
//! [`trace`] names and logs it, [`guard`] bounds it, [`router`] finds its handler in [`routes`];
//! the handler takes its [`body`] apart ([`fields`]) into types that cannot be wrong
//! ([`password`]), asks [`accounts`], which is handed the time and asks [`hashing`], [`token`] (with
//! its [`keys`]) and the [`store`], or [`resumes`], which keeps what the `resume` crate has checked; what
//! was answered before comes out of the [`cache`]; and [`respond`] turns the outcome into HTTP.
//! [`app`] puts all of it together from the [`config`].
//!
//! A handler that takes an [`accounts::Caller`] gets it from [`caller`], which reads the token.
//! [`plans`] says what there is to buy; [`ledger`] asks the shim what is left of a [`quota`].
//! [`ai`] has Claude do what the AI routes offer, and answers in the shape that [`accept`] has read.
//! [`key_watch`] keeps the keys up to date with the database.
//! [`openapi`] makes one document of what the routes say of themselves, and [`telemetry`] counts.
//!
//! Invariants by absence: only [`config`] reads the environment, only [`clock`] reads the time,
//! only [`store`] knows SQL, only [`respond`] maps an error to a status, only [`hashing`] runs
//! Argon2, only [`keys`] sees a signing key's bytes.

pub mod accept;
pub mod accounts;
pub mod ai;
pub mod app;
pub mod body;
pub mod cache;
pub mod caller;
pub mod clock;
pub mod config;
pub mod cores;
pub mod counters;
pub mod database_probe;
pub mod descriptors;
pub mod digest;
pub mod etag;
pub mod fields;
pub mod guard;
pub mod hashing;
pub mod healthcheck;
pub mod key_watch;
pub mod keys;
pub mod ledger;
pub mod openapi;
pub mod page;
pub mod password;
pub mod payment;
pub mod plans;
pub mod quota;
pub mod redis_probe;
pub mod refresh_token;
pub mod respond;
pub mod resumes;
pub mod router;
pub mod routes;
pub mod server;
pub mod store;
pub mod stored_resume;
pub mod telemetry;
pub mod token;
pub mod trace;
pub mod unambiguous;
pub mod user;
pub mod user_secret;
#[cfg(test)]
mod waiting;
pub mod workers;
