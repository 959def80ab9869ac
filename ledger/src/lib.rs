//! The ledger: decides requests and settles charges over a store, which is Redis (alone or a
//! Cluster) or this process's memory.
//!
//! Read in this order, which is a decision's way: [`checked`] (does the call make sense),
//! [`Ledger::decide`] and [`Ledger::settle`] (and the [`seal`] between them), [`prepare`] (the
//! `calendar` and the [`overrides`]), [`store`] (the way to Redis, or memory), [`script`] (what is
//! put to Redis).
//!
//! Front-ends hold a [`Ledger`]; they know nothing of stores. Only [`clock`] reads the clock, only
//! [`store`], [`overrides`] and [`seal`] know Redis's client. The arithmetic is [`limits::ledger`]'s
//! in Rust, and that of `script/*.lua` on Redis.

mod agree;
pub mod background;
mod calendar;
pub mod checked;
pub mod clock;
mod decide;
mod ledger;
mod names;
pub mod overrides;
mod peek;
pub mod prepare;
pub mod quiet;
pub mod script;
pub mod seal;
mod settle;
pub mod store;
pub mod telemetry;

pub use ledger::Ledger;
pub use peek::NotSeen;
pub use settle::{Accepted, NotAccepted};
