//! The source of the backend's AI answers: the Claude API if there is a key, or else `claude-sim`.

use harness::stack::claude_sim::API_KEY;

/// The source of AI answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claude {
    /// `claude-sim`, which the stack starts.
    Sim,
    /// The Claude API. The backend inherits the key and the URL from our environment.
    Service,
}

impl Claude {
    /// Chooses the Claude API if the environment has a key. `read` looks up a variable.
    pub fn from_vars(read: impl Fn(&str) -> Option<String>) -> Self {
        let key = read(API_KEY).filter(|key| !key.is_empty());
        key.map_or(Self::Sim, |_| Self::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::stack::claude_sim::BASE_URL;

    #[test]
    fn a_key_selects_the_claude_api() {
        let of = |name: &'static str, value: &str| {
            let value = value.to_owned();
            Claude::from_vars(move |asked| (asked == name).then(|| value.clone()))
        };
        assert_eq!(of(API_KEY, "sk-1"), Claude::Service);
        assert_eq!(of(API_KEY, ""), Claude::Sim);
        assert_eq!(of(BASE_URL, "https://api.example.com"), Claude::Sim);
    }
}
