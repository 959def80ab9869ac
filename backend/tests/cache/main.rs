//! The cache with a real Redis that comes and goes, and loads that a test controls. Two caches are
//! two processes: they share nothing but Redis.
//!
//! `cfg(test)` on each module is what lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod away;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod together;
