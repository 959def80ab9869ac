//! The ledger: decides requests and settles charges over a store, which is Redis (a single server
//! or a Cluster) or this process's memory.
//!
//! Suggested reading order, along the path of a decision: [`checked`] (validates the call),
//! [`Ledger::decide`] and [`Ledger::settle`] (linked by the [`seal`]), [`prepare`] (applies the
//! `calendar` and the [`overrides`]), [`store`] (Redis or memory), [`script`] (the Redis scripts'
//! input and output).
//!
//! Front-ends hold a [`Ledger`] and know nothing of stores. Only [`clock`] reads the clock, and
//! only [`store`], [`overrides`] and [`seal`] use the Redis client. The arithmetic is
//! [`limits::ledger`] in Rust, and `script/*.lua` on Redis.

mod agree;
pub mod background;
mod calendar;
pub mod checked;
pub mod clock;
mod decide;
mod ledger;
pub mod log_throttle;
mod names;
pub mod overrides;
mod peek;
pub mod prepare;
pub mod script;
pub mod seal;
mod settle;
pub mod store;
pub mod telemetry;
mod top_up;

pub use ledger::Ledger;
pub use peek::PeekError;
pub use settle::{AcceptError, Accepted};
