//! A password on its way to the hash: bounded, and never shown.

use std::fmt;

/// The shortest password one may choose, in bytes (NIST SP 800-63B §3.1.1.2 asks for 8 characters).
pub(crate) const MIN_BYTES: usize = 8;
/// The longest, in bytes: whoever pastes a sentence may, whoever sends a book may not.
pub(crate) const MAX_BYTES: usize = 1024;

/// A password, byte for byte as it was sent: neither trimmed nor normalized.
pub struct Password(String);

/// A text that cannot be a password. Says nothing about the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too short to choose.
    #[error("expected a password of {MIN_BYTES} to {MAX_BYTES} bytes, found a shorter one")]
    Short,
    /// Too long to hash.
    #[error("expected a password of at most {MAX_BYTES} bytes, found a longer one")]
    Long,
}

impl Password {
    /// A password that is being chosen.
    ///
    /// # Errors
    /// [`BadPassword`] outside [`MIN_BYTES`]..=[`MAX_BYTES`].
    pub fn chosen(text: &str) -> Result<Self, BadPassword> {
        if text.len() < MIN_BYTES {
            return Err(BadPassword::Short);
        }
        Self::given(text)
    }

    /// A password given to log in: a short one is merely wrong, for it may have been chosen when
    /// shorter ones were allowed.
    ///
    /// # Errors
    /// [`BadPassword::Long`] above [`MAX_BYTES`].
    pub fn given(text: &str) -> Result<Self, BadPassword> {
        if text.len() > MAX_BYTES {
            return Err(BadPassword::Long);
        }
        Ok(Self(text.to_owned()))
    }

    /// For hashing, and for nothing else.
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
    fn length_is_counted_in_bytes_and_bounded() {
        let chosen = |text: &str| Password::chosen(text).map(|p| p.as_bytes().len());
        assert_eq!(chosen("1234567"), Err(BadPassword::Short));
        assert_eq!(chosen("12345678"), Ok(8));
        assert_eq!(chosen("ääää"), Ok(8));
        assert_eq!(chosen(&"a".repeat(1024)), Ok(1024));
        assert_eq!(chosen(&"a".repeat(1025)), Err(BadPassword::Long));
    }

    #[test]
    fn any_password_of_bounded_length_can_be_tried() {
        assert_eq!(Password::given("").unwrap().as_bytes(), b"");
        assert_eq!(Password::given("\0\0").unwrap().as_bytes(), b"\0\0");
        assert_eq!(Password::given(&"a".repeat(1025)).unwrap_err(), BadPassword::Long);
    }

    #[test]
    fn debug_shows_no_password() {
        assert_eq!(format!("{:?}", Password::chosen("hunter2hunter2")), "Ok(Password(…))");
    }
}
