//! Runs the ledger's scripts on real servers, without the shim, to compare them with the model.
//!
//! [`server`] starts servers and builds script calls, [`link`] sends them, and [`history`]
//! generates random events. Used by `tests/ledger_*.rs`.

pub mod history;
pub mod link;
pub mod server;
