//! Whom the backend asks for its AI answers: the service if there is a key, else `claude-sim`.

use harness::stack::claude_sim::API_KEY;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claude {
    /// `claude-sim`, which the stack starts.
    Sim,
    /// The service. The backend has our environment, the key and the address in it.
    Service,
}

impl Claude {
    /// What the environment, asked with `read`, says: the service if it has a key.
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
    fn the_service_is_asked_if_there_is_a_key() {
        let of = |name: &'static str, value: &str| {
            let value = value.to_owned();
            Claude::from_vars(move |asked| (asked == name).then(|| value.clone()))
        };
        assert_eq!(of(API_KEY, "sk-1"), Claude::Service);
        assert_eq!(of(API_KEY, ""), Claude::Sim);
        assert_eq!(of(BASE_URL, "https://api.example.com"), Claude::Sim);
    }
}
