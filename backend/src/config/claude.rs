//! The Claude settings: its URL, the API key, limits, and the model of each task.
//!
//! Part of [`super::Config`].

use super::vars::{ConfigError, Vars, number};
use crate::ai::model::{Model, Models};
use claude::{BASE_URL, Prices, Settings};
use std::ops::RangeInclusive;
use std::time::Duration;
use url::Url;

const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
const CLAUDE_MAX_CONCURRENT: &str = "CLAUDE_MAX_CONCURRENT";
const CLAUDE_MAX_RETRIES: &str = "CLAUDE_MAX_RETRIES";
const CLAUDE_TIMEOUT: &str = "CLAUDE_TIMEOUT";
const CLAUDE_IDLE_TIMEOUT: &str = "CLAUDE_IDLE_TIMEOUT";
const CLAUDE_PRICES: &str = "CLAUDE_PRICES";
/// The variable of each task and its default model, in the order of [`crate::ai::Task::ALL`].
const MODELS: [(&str, &str); 5] = [
    ("AI_ANALYZE_ATS_SCORE", "claude-haiku-5-5:low:4096"),
    ("AI_OPTIMIZE_RESUME", "claude-sonnet-5-5:medium:16384"),
    ("AI_EXTRACT_KEYWORDS", "claude-haiku-5-5:low:4096"),
    ("AI_GENERATE_COVER_LETTER", "claude-sonnet-5-5:low:8192"),
    ("AI_OPTIMIZE_LINKEDIN", "claude-sonnet-5-5:low:8192"),
];

/// The range of concurrent calls.
const CONCURRENT: RangeInclusive<u32> = 1..=1000;
/// The range of retries per call.
const RETRIES: RangeInclusive<u32> = 0..=5;
/// The range of the answer timeout, in seconds.
const TIMEOUT_S: RangeInclusive<u32> = 1..=600;

/// The Claude settings.
#[derive(Debug, Clone)]
pub struct ClaudeConfig {
    /// The base URL. `ANTHROPIC_BASE_URL`, default <https://api.anthropic.com>.
    pub base_url: Url,
    /// The client's settings, if `ANTHROPIC_API_KEY` is set. `CLAUDE_MAX_CONCURRENT`, default 16;
    /// `CLAUDE_MAX_RETRIES`, default 2; `CLAUDE_TIMEOUT`, default 120 s; `CLAUDE_IDLE_TIMEOUT`,
    /// default 60 s; `CLAUDE_PRICES`, default the prices of November 2026.
    pub settings: Option<Settings>,
    /// The model of each task. `AI_ANALYZE_ATS_SCORE` and so on.
    pub models: Models,
}

impl ClaudeConfig {
    pub(super) fn read(vars: &Vars<impl Fn(&str) -> Option<String>>) -> Result<Self, ConfigError> {
        let base_url = vars.read_or(ANTHROPIC_BASE_URL, BASE_URL, URL, base_url)?;
        let key = vars.read(ANTHROPIC_API_KEY, None, KEY, |text| text.parse().ok().map(Some));
        let key = key.map_err(ConfigError::of_secret)?;
        let concurrent = vars.read(CLAUDE_MAX_CONCURRENT, 16, CALLS, |t| number(t, &CONCURRENT))?;
        let max_retries = vars.read(CLAUDE_MAX_RETRIES, 2, RETRY_COUNT, |t| number(t, &RETRIES))?;
        let timeout = vars.read(CLAUDE_TIMEOUT, Duration::from_secs(120), SECONDS, seconds)?;
        let idle = vars.read(CLAUDE_IDLE_TIMEOUT, Duration::from_secs(60), SECONDS, seconds)?;
        let prices: Prices =
            vars.read(CLAUDE_PRICES, Prices::default(), PRICES, |text| text.parse().ok())?;
        let settings = key.map(|key| Settings {
            max_concurrent: usize::try_from(concurrent).unwrap_or(usize::MAX),
            max_retries,
            timeout,
            idle_timeout: idle,
            prices,
            ..Settings::new(base_url.clone(), key)
        });
        let [ats, resume, keywords, letter, linkedin] =
            MODELS.map(|(variable, default)| vars.read_or(variable, default, MODEL, Model::parse));
        Ok(Self {
            base_url,
            settings,
            models: Models([ats?, resume?, keywords?, letter?, linkedin?]),
        })
    }
}

const URL: &str = "https://HOST or http://HOST:PORT, such as https://api.anthropic.com";
const KEY: &str = "a key of at most 512 visible ASCII characters";
const CALLS: &str = "a number of calls from 1 to 1000";
const RETRY_COUNT: &str = "a number of retries from 0 to 5";
const SECONDS: &str = "a number of seconds from 1 to 600";
const PRICES: &str =
    "MODEL=IN/OUT,… or MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ,… in $ per million tokens";
const MODEL: &str = "MODEL:EFFORT:MAX_TOKENS, such as claude-sonnet-5-5:low:4096 (low, medium, high or default; 256 to 32768)";

fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_plain && url.has_host() && ["http", "https"].contains(&url.scheme())).then_some(url)
}

fn seconds(text: &str) -> Option<Duration> {
    number(text, &TIMEOUT_S).map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::Task;

    fn read(vars: &[(&str, &str)]) -> Result<ClaudeConfig, ConfigError> {
        ClaudeConfig::read(&Vars(|name: &str| {
            let value = vars.iter().find(|(variable, _)| *variable == name);
            value.map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn without_a_key_claude_is_not_configured() {
        let config = read(&[]).unwrap();
        assert!(config.settings.is_none());
        assert_eq!(config.base_url.as_str(), "https://api.anthropic.com/");
        for (task, (_, default)) in Task::ALL.into_iter().zip(MODELS) {
            let model = config.models.of(task);
            assert_eq!(format!("{model:?}"), default);
            assert!(Prices::default().has(&model.name), "{}", model.name);
        }
    }

    #[test]
    fn every_variable_has_its_effect() {
        let settings = read(&[
            (ANTHROPIC_API_KEY, "sk-ant-1"),
            (ANTHROPIC_BASE_URL, "http://127.0.0.1:8090"),
            (CLAUDE_MAX_CONCURRENT, "3"),
            (CLAUDE_MAX_RETRIES, "0"),
            (CLAUDE_TIMEOUT, "7"),
            (CLAUDE_IDLE_TIMEOUT, "5"),
            (CLAUDE_PRICES, "m=1/2"),
        ]);
        let config = settings.unwrap();
        let settings = config.settings.unwrap();
        assert_eq!(settings.base_url.as_str(), "http://127.0.0.1:8090/");
        assert_eq!(settings.base_url, config.base_url);
        assert_eq!((settings.max_concurrent, settings.max_retries), (3, 0));
        assert_eq!((settings.timeout.as_secs(), settings.idle_timeout.as_secs()), (7, 5));
        assert!(settings.prices.has("m") && !settings.prices.has("claude-haiku-5-5"));
        assert_eq!(format!("{:?}", settings.api_key), "ApiKey(…)");
        for (task, (variable, _)) in Task::ALL.into_iter().zip(MODELS) {
            let models = read(&[(variable, "m:high:300")]).unwrap().models;
            assert_eq!(models.of(task), &Model::parse("m:high:300").unwrap(), "{variable}");
            let others = Task::ALL.into_iter().filter(|other| *other != task);
            assert!(others.into_iter().all(|other| models.of(other).name != "m"), "{variable}");
        }
    }

    #[test]
    fn bad_values_are_reported_in_one_sentence() {
        let check = |variable: &str, values: &[&str]| {
            for value in values {
                let error = read(&[(variable, value)]).unwrap_err();
                assert_eq!(error.variable, variable, "{value}");
            }
        };
        check(
            ANTHROPIC_BASE_URL,
            &["api.anthropic.com", "ftp://a", "https://", "https://me:x@a", "http://a?b"],
        );
        check(CLAUDE_MAX_CONCURRENT, &["0", "1001", "many"]);
        check(CLAUDE_MAX_RETRIES, &["-1", "6"]);
        check(CLAUDE_TIMEOUT, &["0", "601", "1.5"]);
        check(CLAUDE_IDLE_TIMEOUT, &["0", "601"]);
        check(CLAUDE_PRICES, &["cheap", "m=1"]);
        MODELS.iter().for_each(|(variable, _)| check(variable, &["claude-haiku-5-5", "m:low:1"]));
        let error = read(&[(ANTHROPIC_API_KEY, "sk ant secret")]).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"ANTHROPIC_API_KEY: expected a key of at most 512 visible ASCII characters, found something else");
    }
}
