//! The subset of JSON Schema that requests can use, parsed into types that cannot be wrong.
//!
//! [`crate::request`] parses schemas, and [`crate::answer`] generates values for them. Features the
//! service does not support (open objects, ranges and lengths, recursion) are refused with its
//! messages. Features it supports but the simulator does not (`pattern`, `allOf`) are refused too.

mod parse;
mod types;

pub(crate) use parse::parse;
pub(crate) use types::{Format, Property, Schema};
