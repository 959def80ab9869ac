//! The server over real HTTP: what it answers, what it refuses, what goes wrong when asked to.
//!
//! `cfg(test)` on each module is what lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod client;

#[cfg(test)]
mod answers;
#[cfg(test)]
mod caching;
#[cfg(test)]
mod control;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod program;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod streams;
