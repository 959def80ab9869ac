//! The types of a parsed schema.

use serde_json::Value;

/// The schema of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// An object with these members and no others.
    Object(Vec<Property>),
    /// An array with a minimum length.
    Array {
        /// The schema of its items.
        items: Box<Self>,
        /// 0 or 1.
        min_items: usize,
    },
    /// A string, with a format if set.
    Text(Option<Format>),
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Null.
    Null,
    /// One of these values, at least one.
    OneOf(Vec<Value>),
    /// A value of one of these schemas, at least one.
    AnyOf(Vec<Self>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The member's name.
    pub name: String,
    /// The member's schema.
    pub schema: Schema,
    /// True if the member is required.
    pub required: bool,
}

/// The string formats the service supports.
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
    /// Returns the format with this name.
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
