//! Token usage: as the service reports it, and as this crate counts it.
//!
//! Read by [`crate::wire`], priced by [`crate::Prices`].

use serde::{Deserialize, Serialize};

/// The tokens used by a call. The first four fields add up to the whole input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that was neither read from the prompt cache nor written to it.
    pub input_tokens: u64,
    /// Input written to the prompt cache for five minutes.
    pub cache_write_5m_tokens: u64,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h_tokens: u64,
    /// Input read from the prompt cache.
    pub cache_read_tokens: u64,
    /// The answer, thinking included.
    pub output_tokens: u64,
    /// The part of the answer that was thinking.
    pub thinking_tokens: u64,
}

impl Usage {
    /// Returns the tokens of the whole input.
    #[must_use]
    pub const fn total_input_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
            .saturating_add(self.cache_read_tokens)
    }
}

/// The service's `usage`. A stream sends it twice, the second time with the changed fields only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct WireUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// Returns this usage with the fields of `later` replacing earlier values.
    pub(crate) fn updated(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    /// Converts to our own counts. A cache write of unspecified duration counts as one for an hour:
    /// this client asks for no other, and it is the more expensive one.
    pub(crate) fn counted(self) -> Usage {
        let creation = self.cache_creation.unwrap_or_default();
        let cache_write_5m_tokens = creation.ephemeral_5m_input_tokens.unwrap_or_default();
        let reported_1h_tokens = creation.ephemeral_1h_input_tokens.unwrap_or_default();
        let written_tokens = self.cache_creation_input_tokens.unwrap_or_default();
        Usage {
            input_tokens: self.input_tokens.unwrap_or_default(),
            cache_write_5m_tokens,
            cache_write_1h_tokens: reported_1h_tokens
                .max(written_tokens.saturating_sub(cache_write_5m_tokens)),
            cache_read_tokens: self.cache_read_input_tokens.unwrap_or_default(),
            output_tokens: self.output_tokens.unwrap_or_default(),
            thinking_tokens: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> WireUsage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_services_usage_is_counted() {
        let check =
            |json: &str, [input, write_5m, write_1h, cached, output, thinking]: [u64; 6]| {
                let expected = Usage {
                    input_tokens: input,
                    cache_write_5m_tokens: write_5m,
                    cache_write_1h_tokens: write_1h,
                    cache_read_tokens: cached,
                    output_tokens: output,
                    thinking_tokens: thinking,
                };
                assert_eq!(read(json).counted(), expected, "{json}");
            };
        check("{}", [0; 6]);
        check(
            r#"{"input_tokens":9,"cache_creation_input_tokens":30,"cache_read_input_tokens":1200,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},
                "output_tokens":50,"output_tokens_details":{"thinking_tokens":20},
                "service_tier":"standard","server_tool_use":null}"#,
            [9, 10, 20, 1200, 50, 20],
        );
        check(r#"{"cache_creation_input_tokens":30}"#, [0, 0, 30, 0, 0, 0]);
        check(
            r#"{"input_tokens":1,"cache_creation_input_tokens":null,"cache_creation":null}"#,
            [1, 0, 0, 0, 0, 0],
        );
    }

    #[test]
    fn later_usage_in_a_stream_replaces_the_fields_it_repeats() {
        let first = read(r#"{"input_tokens":9,"cache_read_input_tokens":7,"output_tokens":1}"#);
        let later = read(r#"{"input_tokens":null,"output_tokens":50}"#);
        let usage = first.updated(later).counted();
        assert_eq!((usage.input_tokens, usage.output_tokens), (9, 50));
        assert_eq!(usage.total_input_tokens(), 16);
    }
}
