//! The keys that sign access tokens, and their public halves.
//!
//! [`crate::token`] signs and verifies with them, `crate::routes::jwks` publishes them, and
//! [`crate::store`] stores them. Several keys can be in use at once: the newest signs, all verify,
//! all are published. Rotation publishes the next key, signs with it once caches have seen it, and
//! drops the old one once its last token has expired ([`crate::key_watch`]).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use std::fmt;

/// The prefix of the 32 secret bytes in a PKCS #8 document (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The secret of an Ed25519 key.
#[derive(Clone)]
pub struct Seed([u8; 32]);

/// A key and the time it starts to sign.
#[derive(Debug, Clone)]
pub struct ScheduledKey {
    /// The key's secret.
    pub seed: Seed,
    /// The time it starts to sign. Before that it is only published.
    pub signs_from: Timestamp,
}

/// A key that cannot be created, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system returned no random bytes.
    #[error("cannot get random bytes for a signing key: {0}")]
    Random(getrandom::Error),
    /// A stored seed is malformed.
    #[error("expected a signing key's seed, 32 bytes in base64url, found something else")]
    BadSeed,
    /// The key is unusable.
    #[error("the signing key is unusable: {0}")]
    Unusable(#[from] jsonwebtoken::errors::Error),
    /// No key to sign with.
    #[error("expected at least one signing key, found none")]
    None,
}

impl Seed {
    /// Generates a new secret.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(Self(bytes))
    }

    /// Parses a secret written by [`Self::to_text`].
    ///
    /// # Errors
    /// [`KeyError::BadSeed`] if `text` is not 32 bytes in base64url.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::BadSeed)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyError::BadSeed)?))
    }

    /// Encodes the secret for storage.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// The keys in use.
#[derive(Debug)]
pub struct KeyRing {
    signing: SigningKey,
    published: JwkSet,
}

/// The key that signs.
#[derive(Debug)]
pub struct SigningKey {
    /// The key's id, in the header of each token.
    pub kid: String,
    /// The key's secret.
    pub(crate) secret: EncodingKey,
}

impl KeyRing {
    /// Creates a ring of keys, oldest first. The last one signs.
    ///
    /// # Errors
    /// [`KeyError`] if `seeds` is empty, or a key is unusable.
    pub fn new(seeds: &[Seed]) -> Result<Self, KeyError> {
        Self::with_signing(seeds, seeds.len().saturating_sub(1))
    }

    /// Creates a ring of keys, oldest first. The last one whose time has come by `now` signs.
    ///
    /// # Errors
    /// [`KeyError`] if `keys` is empty, or a key is unusable.
    pub fn scheduled(keys: &[ScheduledKey], now: Timestamp) -> Result<Self, KeyError> {
        let signing = keys.iter().rposition(|key| key.signs_from <= now).unwrap_or_default();
        let seeds: Vec<Seed> = keys.iter().map(|key| key.seed.clone()).collect();
        Self::with_signing(&seeds, signing)
    }

    fn with_signing(seeds: &[Seed], signing: usize) -> Result<Self, KeyError> {
        let secrets: Vec<EncodingKey> = seeds.iter().map(encoding_key).collect();
        let keys = secrets.iter().map(public_key).collect::<Result<Vec<_>, _>>()?;
        let (secret, key) = secrets.into_iter().zip(&keys).nth(signing).ok_or(KeyError::None)?;
        let kid = key.common.key_id.clone().ok_or(KeyError::None)?;
        Ok(Self { signing: SigningKey { kid, secret }, published: JwkSet { keys } })
    }

    /// Returns the key that signs.
    #[must_use]
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Returns the public halves of all keys.
    #[must_use]
    pub fn published(&self) -> &JwkSet {
        &self.published
    }

    /// Returns true if the ring has a key with this id.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.published.find(kid).is_some()
    }

    /// Returns the key that verifies tokens signed by `kid`, if the ring has it.
    #[must_use]
    pub fn verifying(&self, kid: &str) -> Option<DecodingKey> {
        self.published.find(kid).and_then(|key| DecodingKey::from_jwk(key).ok())
    }
}

fn encoding_key(seed: &Seed) -> EncodingKey {
    EncodingKey::from_ed_der(&[PKCS8_PREFIX.as_slice(), &seed.0].concat())
}

/// Returns the public half. Its id is its thumbprint (RFC 7638), so a key has the same id
/// everywhere.
fn public_key(secret: &EncodingKey) -> Result<Jwk, KeyError> {
    let mut key = Jwk::from_encoding_key(secret, Algorithm::EdDSA)?;
    key.common.key_id = Some(key.thumbprint(ThumbprintHash::SHA256)?);
    key.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
    key.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in RFC 8037, appendices A.1 to A.3.
    #[test]
    fn a_key_is_published_like_the_rfcs_example() {
        let seed = Seed::from_text("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let ring = KeyRing::new(&[seed]).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(ring.published()).unwrap(), @r#"
        {
          "keys": [
            {
              "use": "sig",
              "alg": "EdDSA",
              "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
              "kty": "OKP",
              "crv": "Ed25519",
              "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
            }
          ]
        }
        "#);
        assert_eq!(ring.signing().kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_newest_key_signs_and_all_verify() {
        let seeds = [Seed::generate().unwrap(), Seed::generate().unwrap()];
        let old = KeyRing::new(&seeds[..1]).unwrap();
        let both = KeyRing::new(&seeds).unwrap();
        assert_ne!(old.signing().kid, both.signing().kid);
        assert!(both.verifying(&old.signing().kid).is_some());
        assert!(both.verifying(&both.signing().kid).is_some());
        assert!(old.verifying(&both.signing().kid).is_none());
        assert_eq!(both.published().keys.len(), 2);
    }

    #[test]
    fn a_key_is_published_before_it_signs() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let key = |s| ScheduledKey { seed: Seed::generate().unwrap(), signs_from: at(s) };
        let keys = [key(0), key(100)];
        let of = |s| KeyRing::scheduled(&keys, at(s)).unwrap();
        assert_eq!(of(99).published().keys.len(), 2);
        assert_eq!(of(99).signing().kid, of(0).signing().kid);
        assert_ne!(of(100).signing().kid, of(99).signing().kid);
        assert_eq!(
            of(-1).signing().kid,
            of(0).signing().kid,
            "the oldest key signs if none is due"
        );
    }

    #[test]
    fn a_seed_survives_storing_and_is_not_shown() {
        let seed = Seed::generate().unwrap();
        assert_eq!(Seed::from_text(&seed.to_text()).unwrap().0, seed.0);
        assert_eq!(format!("{seed:?}"), "Seed(…)");
        let ring = KeyRing::new(std::slice::from_ref(&seed)).unwrap();
        assert!(!format!("{ring:?}").contains(&seed.to_text()));
    }

    #[test]
    fn malformed_seeds_are_rejected() {
        for text in ["", "short", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", "!"] {
            assert!(matches!(Seed::from_text(text), Err(KeyError::BadSeed)), "{text}");
        }
        assert!(matches!(KeyRing::new(&[]), Err(KeyError::None)));
    }
}
