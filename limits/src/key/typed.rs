//! Parses key values typed by a person: `42`, `203.0.113.7`, `user=42,site=example.com`.

use super::payer::{Keys, Part, Payer};
use super::value::network;
use crate::counter::Identity;
use crate::host;
use crate::path::{BadPath, NormalPath};
use crate::policy::{Key, Policy, Source};

/// An invalid key value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The policy does not define this key.
    #[error("the policy has no key {0:?}")]
    Unknown(String),
    /// The value of a client-address key is not an IP address.
    #[error("expected an IP address for key {key:?}, found {value:?}")]
    NoAddress {
        /// The key.
        key: String,
        /// The value given.
        value: String,
    },
    /// The value of a path key cannot be normalized.
    #[error("expected a path for key {key:?}: {error}")]
    BadPath {
        /// The key.
        key: String,
        /// The reason.
        error: BadPath,
    },
    /// The value of a constant key is not its constant.
    #[error("expected {expected:?}, the only value of key {key:?}, found {value:?}")]
    OtherConstant {
        /// The key.
        key: String,
        /// The constant.
        expected: String,
        /// The value given.
        value: String,
    },
    /// A combination lacks a value for one of its keys.
    #[error(
        "expected a value for each key, such as {expected} (with \\, for a comma in a value), found {value:?}"
    )]
    NotTogether {
        /// The expected form.
        expected: String,
        /// The value given.
        value: String,
    },
}

/// Returns the identity of the payer by key `name` whose value is `text`. A combination is written
/// `user=42,site=example.com`, with each key's own name or that of one of its fallbacks.
///
/// # Errors
/// [`BadKey`] if the policy does not define the key, or the value is not valid for it.
pub fn of_text(policy: &Policy, name: &str, text: &str) -> Result<Identity, BadKey> {
    let payer = match policy.keys.get(name) {
        Some(Key::All(names)) => Payer(Keys::Together(name, together(policy, names, text)?)),
        _ => Payer(Keys::One([part(policy, name, text)?])),
    };
    Ok(payer.identity(policy))
}

fn part<'a>(policy: &Policy, name: &'a str, text: &str) -> Result<Part<'a>, BadKey> {
    let value = match policy.keys.get(name) {
        Some(Key::One { source: Source::ClientIp { v4_prefix, v6_prefix }, .. }) => {
            let bad = || BadKey::NoAddress { key: name.to_owned(), value: text.to_owned() };
            network(text.parse().map_err(|_| bad())?, *v4_prefix, *v6_prefix)
        }
        Some(Key::One { source: Source::Host, .. }) => host::normal(text.as_bytes()).into_bytes(),
        Some(Key::One { source: Source::Path, .. }) => {
            let bad = |error| BadKey::BadPath { key: name.to_owned(), error };
            NormalPath::parse(text.as_bytes()).map_err(bad)?.to_string().into_bytes()
        }
        Some(Key::One { source: Source::Constant(constant), .. }) if text != constant => {
            return Err(BadKey::OtherConstant {
                key: name.to_owned(),
                expected: constant.clone(),
                value: text.to_owned(),
            });
        }
        Some(Key::One { .. }) => text.as_bytes().to_vec(),
        Some(Key::All(_)) | None => return Err(BadKey::Unknown(name.to_owned())),
    };
    Ok(Part { key: name, value })
}

fn together<'a>(
    policy: &'a Policy,
    names: &'a [String],
    text: &str,
) -> Result<Vec<Part<'a>>, BadKey> {
    let bad = || BadKey::NotTogether {
        expected: names.iter().map(|name| format!("{name}=…")).collect::<Vec<_>>().join(","),
        value: text.to_owned(),
    };
    let typed = split(text);
    if typed.len() != names.len() {
        return Err(bad());
    }
    let parts = names.iter().zip(typed).map(|(name, typed)| {
        let (key, value) = typed.split_once('=').ok_or_else(bad)?;
        let payer = policy.payers(name).find(|payer| *payer == key).ok_or_else(bad)?;
        part(policy, payer, value)
    });
    parts.collect()
}

/// Splits `text` at its commas. `\,` is a comma in a part, and `\\` a backslash. Any other backslash
/// stands for itself.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => part.push(chars.next_if(|next| matches!(next, ',' | '\\')).unwrap_or(c)),
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_escaped_comma_does_not_split() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split(text), expected, "{text}");
        check("user=42,client=1.2.3.4", &["user=42", "client=1.2.3.4"]);
        check(r"user=Doe\, Jane,client=1.2.3.4", &["user=Doe, Jane", "client=1.2.3.4"]);
        check(r"user=a\\,client=b\", &[r"user=a\", r"client=b\"]);
        check(r"user=CORP\jane,client=1.2.3.4", &[r"user=CORP\jane", "client=1.2.3.4"]);
        check("", &[""]);
    }
}
