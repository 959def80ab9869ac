//! The built binary over real HTTP: every route, what it does and what it refuses.
//!
//! `cfg(test)` on each module is what lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod client;

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod health;
#[cfg(test)]
mod login;
#[cfg(test)]
mod me;
#[cfg(test)]
mod public;
#[cfg(test)]
mod signup;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod together;
