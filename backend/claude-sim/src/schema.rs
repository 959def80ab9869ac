//! The subset of JSON Schema that answers can be asked for in, parsed into types that cannot be
//! wrong.
//!
//! [`crate::request`] parses; [`crate::answer`] makes a value of it. What the service does not take
//! is refused here as it would refuse it: objects that are open, ranges and lengths, recursion. What
//! it takes and we do not (`pattern`, `allOf`) is refused too, and says that it is our doing.

mod parse;
mod types;

pub(crate) use parse::parse;
pub(crate) use types::{Format, Property, Schema};
