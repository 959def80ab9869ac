//! The salt of a stack: from the environment, or else the policy's private one, or else a random one.
//!
//! The shipped policy's salt is publicly known. A random one, generated at the first start and kept in
//! the stack's folder, replaces it.
//!
//! Called by [`super::run`], once. The backend names counters by the same salt, so it stays the same
//! until the stack ends, even if the policy is edited.

use anyhow::{Context, Result, bail};
use limits::policy::{DEVELOPMENT_SALT, EXPECTED_SALT, Policy, is_salt};
use serde_json::Value;
use std::path::Path;

/// The file name of the random salt.
const FILE: &str = "salt";
const RANDOM_BYTES: usize = 16;

/// Returns the salt for the policy `document` in the stack's folder `dir`. `variable` is the value of
/// `TOLLGATE_SALT`.
///
/// # Errors
/// Fails if the salt's file cannot be read or written, or is damaged.
pub fn settled(variable: Option<String>, document: &Value, dir: &Path) -> Result<String> {
    if let Some(salt) = variable.filter(|salt| !salt.is_empty()) {
        return Ok(salt);
    }
    let policy = Policy::from_value(document.clone())?;
    if policy.has_known_salt() { kept(dir) } else { Ok(policy.salt) }
}

/// Returns the random salt in `dir`, and generates it if it does not exist.
fn kept(dir: &Path) -> Result<String> {
    let file = dir.join(FILE);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let salt = random()?;
            super::state::write_private(&file, salt.as_bytes())?;
            return Ok(salt);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let salt = text.trim_end();
    if !is_salt(salt) || salt == DEVELOPMENT_SALT {
        let shown = file.display();
        bail!(
            "{shown} is damaged: expected a salt of {EXPECTED_SALT}; remove the file to get a new one"
        );
    }
    Ok(salt.to_owned())
}

fn random() -> Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).context("cannot get random bytes from the operating system")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    /// Returns the salt for `document` in `dir`, with `variable` in the environment.
    fn salt_of(document: &Value, variable: Option<&str>, dir: &Path) -> Result<String> {
        settled(variable.map(str::to_owned), document, dir)
    }

    fn policy(salt: Option<&str>) -> Value {
        let mut document = json!({ "version": 1, "keys": {}, "buckets": {}, "rules": [] });
        salt.into_iter().for_each(|salt| document["salt"] = json!(salt));
        document
    }

    #[test]
    fn a_private_random_salt_replaces_a_publicly_known_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = salt_of(&policy(Some(DEVELOPMENT_SALT)), None, one.path()).unwrap();
        assert!(first.len() == 32 && first.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
        for known in [Some(DEVELOPMENT_SALT), Some(""), None] {
            assert_eq!(salt_of(&policy(known), Some(""), one.path()).unwrap(), first);
        }
        let mode = one.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(salt_of(&policy(None), None, other.path()).unwrap(), first);
    }

    #[test]
    fn a_salt_from_the_environment_or_the_policy_needs_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let own = policy(Some("own"));
        assert_eq!(salt_of(&own, None, dir.path()).unwrap(), "own");
        assert_eq!(salt_of(&own, Some("ours"), dir.path()).unwrap(), "ours");
        let known = policy(None);
        assert_eq!(salt_of(&known, Some("ours"), dir.path()).unwrap(), "ours");
        // The known salt can still be chosen explicitly, in development.
        assert_eq!(salt_of(&known, Some(DEVELOPMENT_SALT), dir.path()).unwrap(), DEVELOPMENT_SALT);
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "two words", DEVELOPMENT_SALT] {
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            let error = salt_of(&policy(None), None, dir.path()).unwrap_err().to_string();
            assert!(error.contains("/salt is damaged: expected a salt of 1 to 255"), "{error}");
        }
    }
}
