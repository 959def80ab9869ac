//! Tests the cache with a real Redis that comes and goes, and with controlled loads. Two caches act
//! like two processes: they share nothing but Redis.
//!
//! `cfg(test)` on each module lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod away;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod together;
