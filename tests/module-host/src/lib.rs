//! A strict model of Envoy's side of the interface for dynamic modules, with the module linked into
//! the same process. It knows nothing about rate limits.
//!
//! A test is Envoy: it makes a [`Filter`] from a configuration, [`Stream`]s of that filter, and calls
//! their methods in any order that Envoy could. The model calls the module's hooks, answers its
//! callbacks, and notes each call that Envoy does not allow, also those that the real one would
//! forgive:
//!
//! - a callback on a stream or a configuration whose hook is not running
//! - a stream resumed or answered twice, or both
//! - a scheduler used after it was deleted, after its stream ended, or never deleted
//! - headers that HTTP forbids, or changed once they are sent
//! - a metric with the wrong labels, or a gauge below zero
//!
//! What Envoy lends to a hook is freed when the hook ends, so that AddressSanitizer sees a late use.
//! [`assert_correct`] panics with the violations.
//!
//! Suggested reading order: [`filter`], [`stream`], `callbacks`.

#![expect(unsafe_code, reason = "the interface is C")]
#![expect(clippy::expect_used, reason = "a failure is a failed test")]

// Links it.
use module_under_test as _;

mod abi;
mod callbacks;
pub mod filter;
mod metrics;
pub mod network;
mod objects;
pub mod stream;
mod world;

pub use filter::Filter;
pub use stream::{Answer, Kind, Stream};
pub use world::{
    assert_correct, assert_nothing_is_left, forget_all, is_empty, metric, on_pause_point, take_log,
    take_violations,
};
