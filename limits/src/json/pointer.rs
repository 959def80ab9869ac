//! JSON pointers.

/// Escapes a name for a JSON pointer.
///
/// # Source
/// RFC 6901, §3.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
