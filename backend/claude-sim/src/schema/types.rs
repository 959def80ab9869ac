//! The JSON Schemas that an answer can be asked to follow.

use serde_json::Value;

/// The schema of one value.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// An object with these members and no others.
    Object(Vec<Property>),
    /// A list with a minimum length.
    Array {
        /// The schema of its items.
        items: Box<Self>,
        /// 0 or 1.
        min_items: usize,
    },
    /// A text, of this format if it has one.
    Text(Option<Format>),
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Null.
    Null,
    /// One of these, of which there is at least one.
    OneOf(Vec<Value>),
    /// What one of these says, of which there is at least one.
    AnyOf(Vec<Self>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What it is.
    pub schema: Schema,
    /// Whether it must be there.
    pub required: bool,
}

/// The formats of text that the service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `2026-02-03T04:05:06Z`
    DateTime,
    /// `04:05:06Z`
    Time,
    /// `2026-02-03`
    Date,
    /// `P3D`
    Duration,
    /// `someone@example.com`
    Email,
    /// `example.com`
    Hostname,
    /// `https://example.com/`
    Uri,
    /// `192.0.2.1`
    Ipv4,
    /// `2001:db8::1`
    Ipv6,
    /// `6ba7b810-9dad-41d1-80b4-00c04fd430c8`
    Uuid,
}

impl Format {
    /// The one called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date-time" => Self::DateTime,
            "time" => Self::Time,
            "date" => Self::Date,
            "duration" => Self::Duration,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "uri" => Self::Uri,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }
}
