//! `claude-sim`: a development server that speaks the Claude Messages API. No model is behind it.
//!
//! It stands in for the service where there is no key: `cargo xtask up` starts it, and tests run it
//! in their own process ([`server::Running`]) or as a program. It refuses what the service refuses,
//! in its words; it answers what a request's schema asks for, the same each time; and it does wrong
//! what it is told to do wrong over `/sim/faults`.
//!
//! A request's path, file after file: `router` finds `routes::messages`, which reads the
//! `body`, has the [`request`] checked (with its `schema`), takes its fault from [`faults`],
//! counts it against the `prompt_cache` and the `rate_limit`, has [`answer`] chosen by `dice`
//! that the request's hash has thrown, and tells it as a `message`, through `stream` where
//! it is asked to. What is refused is a `refusal`. `recorded` and `at_once` keep what
//! `routes::sim` shows; [`sim`] holds all of it, [`server`] serves it, [`cli`] says where,
//! [`healthcheck`] asks it how it is.
//!
//! Invariants by absence: only [`cli`] reads the environment, only `clock` the time. Nothing is
//! kept on disk, and nothing is asked of anyone.

pub mod cli;
mod clock;
pub mod healthcheck;
pub mod server;

mod router;
mod routes;
pub mod sim;

mod body;
mod refusal;
pub mod request;
mod schema;

mod at_once;
pub mod faults;
mod prompt_cache;
mod rate_limit;
mod recorded;

pub mod answer;
mod message;
mod stream;

pub mod canonical;
mod dice;
mod tokens;
