//! The ledger's script on a real server, without the shim between, beside the model that it must
//! agree with.
//!
//! [`server`] starts servers and puts scripts to them, over a [`link`]; [`history`] makes up what
//! happens; all are for `tests/ledger_*.rs`.

pub mod history;
pub mod link;
pub mod server;
