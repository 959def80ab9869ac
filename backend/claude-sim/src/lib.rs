//! `claude-sim`: a development server that speaks the Claude Messages API, without a model.
//!
//! It replaces the real service in development, so no API key is needed. `cargo xtask up` starts
//! it, and tests run it in their own process ([`server::Running`]) or as a program. It refuses the
//! requests the service would refuse, with the same messages. Its answers match the request's
//! schema and are deterministic. Tests inject faults through `/sim/faults`.
//!
//! A request's path, file by file: `router` finds `routes::messages`, which reads the `body`,
//! checks the [`request`] and its `schema`, takes a fault from [`faults`], and counts the request
//! in the `prompt_cache` and the `rate_limit`. The request's hash seeds the `dice` that generate
//! the [`answer`]. It is sent as a `message`, through `stream` if requested. A `refusal` is an
//! error response. `recorded` and `at_once` keep what `routes::sim` shows. [`sim`] holds the state,
//! [`server`] serves it, and [`cli`] reads the flags.
//!
//! Invariants by absence: only [`cli`] reads the environment, and only `clock` reads the time.
//! Nothing writes to disk or makes requests.

pub mod cli;
mod clock;
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
