//! Simulates prompt caching: remembers recent prompt prefixes and counts a request's tokens
//! accordingly.
//!
//! Called by [`crate::routes::messages`]. Unlike the service, which caches nothing under about a
//! thousand tokens, it also caches short prompts.

use crate::request::{Request, Ttl};
use crate::tokens;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most prefixes kept. The one that would expire first makes room.
const MAX_KEPT: usize = 1024;

type Hash = [u8; 32];

/// The cached prefixes' expiry, by the hash of key, model and text.
#[derive(Debug, Default)]
pub struct PromptCache(Mutex<HashMap<Hash, Instant>>);

/// A request's input tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Input {
    /// Tokens neither read from the cache nor written to it.
    pub plain: u64,
    /// Tokens written for five minutes.
    pub created_5m: u64,
    /// Tokens written for an hour.
    pub created_1h: u64,
    /// Tokens read from the cache.
    pub read: u64,
}

impl Input {
    /// Returns the sum.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.plain + self.created_5m + self.created_1h + self.read
    }
}

/// The prefix of a request up to a breakpoint.
struct Prefix {
    hash: Hash,
    tokens: u64,
    ttl: Ttl,
}

impl PromptCache {
    /// Counts the tokens of `request` at `now`, and caches the prefixes it asks for.
    ///
    /// `key`: the API key. Prefixes are never shared between keys.
    pub fn count(&self, request: &Request, key: &str, now: Instant) -> Input {
        let total = tokens::of(&request.schema_text)
            + request.blocks().map(|block| tokens::of(&block.text)).sum::<u64>();
        let prefixes = prefixes(request, key);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, until| *until > now);
        let read = prefixes.iter().rev().find(|prefix| kept.contains_key(&prefix.hash));
        let mut input = Input { read: read.map_or(0, |read| read.tokens), ..Input::default() };
        let mut counted = input.read;
        for prefix in &prefixes {
            let new = prefix.tokens.saturating_sub(counted);
            match prefix.ttl {
                Ttl::FiveMinutes => input.created_5m += new,
                Ttl::OneHour => input.created_1h += new,
            }
            counted += new;
            keep(&mut kept, prefix.hash, now + life(prefix.ttl));
        }
        input.plain = total.saturating_sub(counted);
        input
    }
}

fn prefixes(request: &Request, key: &str) -> Vec<Prefix> {
    let mut hasher = Sha256::new();
    let mut tokens = tokens::of(&request.schema_text);
    for part in [key, &request.model, &request.schema_text] {
        add(&mut hasher, part);
    }
    let mut prefixes = Vec::new();
    for block in request.blocks() {
        add(&mut hasher, &block.text);
        tokens += tokens::of(&block.text);
        if let Some(ttl) = block.cached {
            let hash = hasher.clone().finalize().into();
            prefixes.push(Prefix { hash, tokens, ttl });
        }
    }
    prefixes
}

/// Hashes the length first, so that no two lists of parts collide.
fn add(hasher: &mut Sha256, part: &str) {
    hasher.update(part.len().to_be_bytes());
    hasher.update(part);
}

fn keep(kept: &mut HashMap<Hash, Instant>, hash: Hash, until: Instant) {
    if kept.len() >= MAX_KEPT && !kept.contains_key(&hash) {
        let first = kept.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash);
        first.map(|hash| kept.remove(&hash));
    }
    kept.insert(hash, until);
}

const fn life(ttl: Ttl) -> Duration {
    match ttl {
        Ttl::FiveMinutes => Duration::from_secs(5 * 60),
        Ttl::OneHour => Duration::from_secs(60 * 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use serde_json::json;

    /// Builds a request with these system blocks: texts and their TTLs.
    fn request(system: &[(&str, Option<&str>)], question: &str) -> Request {
        let block = |(text, ttl): &(&str, Option<&str>)| match ttl {
            Some(ttl) => json!({
                "type": "text", "text": text, "cache_control": { "type": "ephemeral", "ttl": ttl },
            }),
            None => json!({ "type": "text", "text": text }),
        };
        let system: Vec<_> = system.iter().map(block).collect();
        let body = json!({
            "model": "claude-a", "max_tokens": 10, "system": system,
            "messages": [{ "role": "user", "content": question }],
        });
        Request::parse(&body).unwrap()
    }

    fn input(plain: u64, created_5m: u64, created_1h: u64, read: u64) -> Input {
        Input { plain, created_5m, created_1h, read }
    }

    #[test]
    fn the_second_request_reads_what_the_first_wrote() {
        let (cache, now) = (PromptCache::default(), clock::instant());
        let first = request(&[("four", None), ("eightchr", Some("1h"))], "question");
        let other = request(&[("four", None), ("eightchr", Some("1h"))], "another question");
        assert_eq!(cache.count(&first, "key", now), input(2, 0, 3, 0));
        assert_eq!(cache.count(&other, "key", now), input(4, 0, 0, 3));
        assert_eq!(cache.count(&other, "another key", now), input(4, 0, 3, 0));
        let changed = request(&[("five", None), ("eightchr", Some("1h"))], "question");
        assert_eq!(cache.count(&changed, "key", now), input(2, 0, 3, 0));
    }

    #[test]
    fn unused_prefixes_expire_and_used_ones_do_not() {
        let (cache, start) = (PromptCache::default(), clock::instant());
        let minutes = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let short = request(&[("eightchr", Some("5m"))], "why?");
        assert_eq!(cache.count(&short, "key", start), input(1, 2, 0, 0));
        assert_eq!(cache.count(&short, "key", minutes(4)), input(1, 0, 0, 2));
        assert_eq!(cache.count(&short, "key", minutes(8)), input(1, 0, 0, 2));
        assert_eq!(cache.count(&short, "key", minutes(13)), input(1, 2, 0, 0));
    }

    #[test]
    fn the_longest_known_prefix_is_read_and_the_rest_written() {
        let (cache, now) = (PromptCache::default(), clock::instant());
        let one = request(&[("eightchr", Some("1h"))], "why?");
        let two = request(&[("eightchr", Some("1h")), ("four", Some("5m"))], "why?");
        cache.count(&one, "key", now);
        assert_eq!(cache.count(&two, "key", now), input(1, 1, 0, 2));
        assert_eq!(cache.count(&two, "key", now), input(1, 0, 0, 3));
    }

    #[test]
    fn the_cache_is_bounded() {
        let (cache, now) = (PromptCache::default(), clock::instant());
        for number in 0..=MAX_KEPT {
            let later = now + Duration::from_millis(u64::try_from(number).unwrap());
            cache.count(&request(&[(&format!("{number:08}"), Some("5m"))], "why?"), "key", later);
        }
        assert_eq!(cache.0.lock().unwrap().len(), MAX_KEPT);
        let last = request(&[(&format!("{MAX_KEPT:08}"), Some("5m"))], "why?");
        assert_eq!(cache.count(&last, "key", now).read, 2);
        let first = request(&[("00000000", Some("5m"))], "why?");
        assert_eq!(cache.count(&first, "key", now).read, 0);
    }
}
