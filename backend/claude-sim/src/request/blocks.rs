//! What a request says: texts, whose they are, and which of them are to be cached.

/// Text with its place in the order that prompt caching goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The text.
    pub text: String,
    /// Whether what has come up to here is to be cached, and how long.
    pub cached: Option<Ttl>,
}

/// How long a cached prompt lives after its last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ttl {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    OneHour,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}
