//! The companion API: sign-up, log-in, tokens and their keys; later résumés, plans and AI routes.
//!
//! Read in the order of the modules. A request comes in at [`server`], is bounded by [`guard`],
//! logged by [`trace`], finds its handler in [`router`] and [`routes`]; the handler parses
//! ([`body`], [`fields`]) into types that cannot be wrong, asks [`accounts`] (which is handed the
//! time), and [`respond`] turns the outcome into HTTP.
//!
//! Invariants by absence: only [`config`] reads the environment, only [`clock`] reads the time,
//! only [`store`] knows SQL, only [`respond`] maps an error to a status, only [`hashing`] runs
//! Argon2, only [`keys`] sees a signing key's secret.

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
