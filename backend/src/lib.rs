//! The companion API: sign-up, log-in, tokens and their keys; later résumés, plans and AI routes.
//!
//! A request's path, file after file: [`server`] accepts it, [`trace`] names and logs it, [`guard`]
//! bounds it, [`router`] finds its handler in [`routes`]; the handler takes its [`body`] apart
//! ([`fields`]) into types that cannot be wrong ([`email`], [`password`]), asks [`accounts`], which
//! is handed the time and asks [`hashing`], [`token`] (with its [`keys`]) and the [`store`]; and
//! [`respond`] turns the outcome into HTTP. [`app`] puts all of it together from the [`config`].
//!
//! Invariants by absence: only [`config`] reads the environment, only [`clock`] reads the time,
//! only [`store`] knows SQL, only [`respond`] maps an error to a status, only [`hashing`] runs
//! Argon2, only [`keys`] sees a signing key's bytes.

pub mod accounts;
pub mod app;
pub mod body;
pub mod clock;
pub mod config;
pub mod email;
pub mod fields;
pub mod guard;
pub mod hashing;
pub mod healthcheck;
pub mod keys;
pub mod password;
pub mod redis_probe;
pub mod respond;
pub mod router;
pub mod routes;
pub mod server;
pub mod store;
pub mod token;
pub mod trace;
pub mod user;
