//! Tests the server over real HTTP: answers, refusals and faults.
//!
//! `cfg(test)` on each module lets helpers unwrap under the workspace's lints.

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
