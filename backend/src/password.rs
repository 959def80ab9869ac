//! A password before hashing: limited in length, and never displayed.

use std::fmt;

/// The shortest new password, in bytes (NIST SP 800-63B §3.1.1.2 asks for 8 characters).
pub(crate) const MIN_BYTES: usize = 8;
/// The longest password, in bytes: enough for a long passphrase, but not for a book.
pub(crate) const MAX_BYTES: usize = 1024;

/// A password, byte for byte as it was sent: neither trimmed nor normalized.
pub struct Password(String);

/// An invalid password. The error reveals nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too short for a new password.
    #[error("expected a password of {MIN_BYTES} to {MAX_BYTES} bytes, found a shorter one")]
    Short,
    /// Too long to hash.
    #[error("expected a password of at most {MAX_BYTES} bytes, found a longer one")]
    Long,
}

impl Password {
    /// Creates a new password that a user chooses.
    ///
    /// # Errors
    /// [`BadPassword`] if its length is outside [`MIN_BYTES`]..=[`MAX_BYTES`].
    pub fn chosen(text: &str) -> Result<Self, BadPassword> {
        if text.len() < MIN_BYTES {
            return Err(BadPassword::Short);
        }
        Self::given(text)
    }

    /// Creates a password to verify. A short one is merely wrong: it may date from a time when
    /// shorter ones were allowed.
    ///
    /// # Errors
    /// [`BadPassword::Long`] if it is longer than [`MAX_BYTES`].
    pub fn given(text: &str) -> Result<Self, BadPassword> {
        if text.len() > MAX_BYTES {
            return Err(BadPassword::Long);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the bytes. For hashing only.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_limited_in_bytes() {
        let chosen = |text: &str| Password::chosen(text).map(|p| p.as_bytes().len());
        assert_eq!(chosen("1234567"), Err(BadPassword::Short));
        assert_eq!(chosen("12345678"), Ok(8));
        assert_eq!(chosen("ääää"), Ok(8));
        assert_eq!(chosen(&"a".repeat(1024)), Ok(1024));
        assert_eq!(chosen(&"a".repeat(1025)), Err(BadPassword::Long));
    }

    #[test]
    fn any_password_up_to_the_limit_can_be_verified() {
        assert_eq!(Password::given("").unwrap().as_bytes(), b"");
        assert_eq!(Password::given("\0\0").unwrap().as_bytes(), b"\0\0");
        assert_eq!(Password::given(&"a".repeat(1025)).unwrap_err(), BadPassword::Long);
    }

    #[test]
    fn debug_output_hides_the_password() {
        assert_eq!(format!("{:?}", Password::chosen("hunter2hunter2")), "Ok(Password(…))");
    }
}
