//! Tests the client over real HTTP, against a server that sends each test's reply byte for byte.
//!
//! `cfg(test)` on each module lets helpers unwrap under the workspace's lints.

#[cfg(test)]
mod ask;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod reply;
#[cfg(test)]
mod service;

#[cfg(test)]
mod answers;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod breaker;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod money;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod streams;
