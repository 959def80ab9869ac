//! Hosts: their normal form, and the host patterns of rules. Called by `matching` and `key`.
//!
//! Hosts are compared as servers compare them: in lowercase, without the port, the user and the
//! trailing dot of a fully qualified name. Every value has a normal form, so parsing cannot fail.

/// The longest DNS name, in bytes.
pub(crate) const MAX_HOST_BYTES: usize = 253;

/// Returns the normal form of the host in `authority` (a request's `:authority`).
#[must_use]
pub fn normal(authority: &[u8]) -> String {
    let text = String::from_utf8_lossy(authority).to_ascii_lowercase();
    let host = text.rsplit('@').next().unwrap_or_default();
    let host = without_port(host);
    host.strip_suffix('.').unwrap_or(host).to_owned()
}

/// Strips the port: `[::1]:80` becomes `[::1]`; `host:80` and `host:` become `host`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !is_open(name) => name,
        _ => host,
    }
}

/// Returns true if `name` ends inside the brackets of an IPv6 address.
fn is_open(name: &str) -> bool {
    name.starts_with('[') && !name.ends_with(']')
}

/// A rule's host pattern: an exact host, or `*.example.com` for any subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// True if the pattern matches subdomains of `name` rather than `name` itself.
    is_below: bool,
    name: String,
}

/// A malformed [`HostPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host without a port, such as example.com, *.example.com or [::1]")]
pub struct BadHostPattern;

impl HostPattern {
    /// Parses `text`, ignoring case.
    ///
    /// # Errors
    /// [`BadHostPattern`] if the pattern could never match.
    pub fn parse(text: &str) -> Result<Self, BadHostPattern> {
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(text);
        let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        let is_good = !name.is_empty()
            && name.len() <= MAX_HOST_BYTES
            && name.bytes().all(is_host_byte)
            && normal(name.as_bytes()) == name.to_ascii_lowercase();
        if is_good {
            Ok(Self { is_below: below.is_some(), name: name.to_ascii_lowercase() })
        } else {
            Err(BadHostPattern)
        }
    }

    /// Returns true if the pattern matches the subdomains of its name, rather than the name.
    pub(crate) const fn is_below(&self) -> bool {
        self.is_below
    }

    /// Returns the name in its normal form, without `*.`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if `host` matches. `host` must be in its normal form.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match host.strip_suffix(&self.name) {
            Some("") => !self.is_below,
            Some(below) => self.is_below && below.len() > 1 && below.ends_with('.'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_host_have_one_normal_form() {
        for spelling in [
            "example.com",
            "EXAMPLE.com",
            "example.com:443",
            "example.com:",
            "example.com.",
            "example.com.:8080",
            "user@example.com",
            "user:pass@Example.Com:1",
        ] {
            assert_eq!(normal(spelling.as_bytes()), "example.com", "{spelling}");
        }
        assert_eq!(normal(b"[2001:DB8::1]:80"), "[2001:db8::1]");
        assert_eq!(normal(b"[2001:db8::1]"), "[2001:db8::1]");
        assert_eq!(normal(b"127.0.0.1:80"), "127.0.0.1");
        assert_eq!(normal(b""), "");
        assert_eq!(normal(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(normal(b"host:http"), "host:http");
    }

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = HostPattern::parse(pattern).unwrap();
        let matches = |host: &&str| compiled.matches(&normal(host.as_bytes()));
        assert_eq!(matching.iter().find(|host| !matches(host)), None, "{pattern}");
        assert_eq!(other.iter().find(|host| matches(host)), None, "{pattern}");
    }

    #[test]
    fn patterns_match_whole_hosts() {
        check(
            "Example.com",
            &["example.com", "EXAMPLE.COM:80"],
            &["a.example.com", "xexample.com", ""],
        );
        check(
            "*.example.com",
            &["a.example.com", "a.b.example.com:80", "A.Example.Com."],
            &["example.com", ".example.com", "xexample.com", "example.com.evil.org"],
        );
        check("[::1]", &["[::1]:80", "[::1]"], &["::1"]);
    }

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        let long = "a".repeat(254);
        for text in [
            "",
            "*",
            "*.",
            "a.*",
            "*a.com",
            "example.com:80",
            "a/b",
            "ex ample",
            "a@b",
            "a.",
            &long,
        ] {
            assert_eq!(HostPattern::parse(text), Err(BadHostPattern), "{text}");
        }
    }
}
