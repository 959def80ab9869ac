//! E-mail addresses.

use std::fmt;

/// The longest address (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub const MAX_BYTES: usize = 254;
/// The longest part before the `@` (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;
/// The longest part between two dots of a domain (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A normalized address: trimmed and in lowercase, so that each mailbox has one account.
///
/// `Debug` does not show the address, which keeps it out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

/// The error for an invalid address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address like ada@example.org, in ASCII, at most {MAX_BYTES} bytes")]
pub struct NotAnEmail;

impl Email {
    /// Parses and normalizes an address.
    ///
    /// # Errors
    /// Fails if a browser's `<input type=email>` would reject the address too.
    ///
    /// # Source
    /// "Valid e-mail address" in the HTML standard: RFC 5322 without the parts nobody uses.
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(NotAnEmail)?;
        let valid = text.len() <= MAX_BYTES && is_local(local) && domain.split('.').all(is_label);
        if valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotAnEmail) }
    }

    /// Returns the normalized address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

fn is_local(local: &str) -> bool {
    (1..=MAX_LOCAL_BYTES).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let found = Email::parse(text).ok();
        assert_eq!(found.as_ref().map(Email::as_str), expected, "{text:?}");
    }

    #[test]
    fn addresses_are_trimmed_and_lowercased() {
        for text in ["ada@example.org", " Ada@Example.ORG\t", "ADA@EXAMPLE.ORG\r\n"] {
            check(text, Some("ada@example.org"));
        }
    }

    #[test]
    fn unusual_addresses_are_accepted() {
        check("o'brien+x@mail.example.org", Some("o'brien+x@mail.example.org"));
        check("'or'1'='1@example.org", Some("'or'1'='1@example.org"));
        check("a@localhost", Some("a@localhost"));
        check(
            &format!("{}@example.org", "a".repeat(64)),
            Some(&format!("{}@example.org", "a".repeat(64))),
        );
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        let long_label = format!("a@{}.org", "a".repeat(64));
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}org", "abcdefgh.".repeat(28));
        for text in [
            "",
            " ",
            "@",
            "a@",
            "@a",
            "a",
            "a@b@c",
            "a b@c.d",
            "a@b c",
            "a@-b.c",
            "a@b-.c",
            "a@.c",
            "a@b..c",
            "a@b.",
            "a\0@b.c",
            "a@b.c\0",
            "ä@b.c",
            "a@ä.c",
            "a@b.c, d@e.f",
            "<a@b.c>",
            "a@b.c\r\nBcc: d@e.f",
            "\"a\"@b.c",
            "a@[127.0.0.1]",
            "a;--@b.c",
            &long_label,
            &long_local,
            &long,
        ] {
            check(text, None);
        }
    }

    #[test]
    fn debug_shows_no_address() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.org")), "Ok(Email(…))");
    }
}
