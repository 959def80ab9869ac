//! The properties of a response that the gate reads. Implemented by the filter; read by `respond`.

use super::charged::Outcome;

/// A response on its way to the client, read only as far as the policy needs it.
pub trait ResponseFacts {
    /// Returns the outcome that the response shows.
    fn outcome(&self) -> Outcome;
    /// Returns a header's value; repeated headers are joined by commas. `name` is lowercase.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
}
