//! A request's text blocks: who wrote each, and which ones end a cached prefix.

/// A block of text, in the order in which prompt caching counts blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The text.
    pub text: String,
    /// Set if the prefix that ends with this block is cached, and for how long.
    pub cached: Option<Ttl>,
}

/// A cached prompt's lifetime after its last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ttl {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    OneHour,
}

/// The author of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}
