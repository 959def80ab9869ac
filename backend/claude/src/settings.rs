//! The client's settings.
//!
//! Passed to [`crate::Client::new`]. Nothing is read from the environment.

use crate::api_key::ApiKey;
use crate::breaker::BreakerSettings;
use crate::prices::Prices;
use std::time::Duration;
use url::Url;

/// The base URL of the public API.
pub const BASE_URL: &str = "https://api.anthropic.com";

/// The upper bound of every duration.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// The upper bound of `max_retries`.
const MOST_RETRIES: u32 = 10;

/// The client's settings. Start from [`Settings::new`] and change fields as needed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The service's `http` or `https` URL, without `/v1/messages`. TLS trusts the system's
    /// certificate authorities.
    pub base_url: Url,
    /// The API key.
    pub api_key: ApiKey,
    /// The most calls in flight, at least 1. One user ([`crate::Request::user_id`]) gets at most a
    /// quarter of them, and a large call counts as several.
    pub max_concurrent: usize,
    /// The most calls waiting for a slot. Further calls fail at once. One user gets at most a
    /// quarter of all places, waiting or in flight.
    pub max_waiting: usize,
    /// The longest time a call waits before it is sent: for a slot, and while the service's rate
    /// limits are exhausted.
    pub max_wait: Duration,
    /// The timeout for connecting, including the TLS handshake.
    pub connect_timeout: Duration,
    /// The timeout for one attempt, to the end of its answer.
    pub timeout: Duration,
    /// The timeout for a stream's head, for its first event, and between two events.
    pub idle_timeout: Duration,
    /// The most retries of a call.
    pub max_retries: u32,
    /// The circuit breaker.
    pub breaker: BreakerSettings,
    /// The prices of tokens.
    pub prices: Prices,
}

impl Settings {
    /// Returns the default settings: 16 calls in flight and 64 waiting for at most 30 s; timeouts
    /// of 5 s to connect, 600 s for an answer (as in the official clients) and 60 s between events;
    /// 2 retries; the default breaker and prices.
    #[must_use]
    pub fn new(base_url: Url, api_key: ApiKey) -> Self {
        Self {
            base_url,
            api_key,
            max_concurrent: 16,
            max_waiting: 64,
            max_wait: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(60),
            max_retries: 2,
            breaker: BreakerSettings::default(),
            prices: Prices::default(),
        }
    }

    /// Returns the settings with durations capped at a day and retries at ten.
    pub(crate) fn bounded(&self) -> Self {
        let BreakerSettings { failures, pause, max_pause, trip_pause, max_trip_pause } =
            self.breaker;
        let breaker = BreakerSettings {
            failures: failures.max(1),
            pause: pause.min(LONGEST),
            max_pause: max_pause.min(LONGEST),
            trip_pause: trip_pause.min(LONGEST),
            max_trip_pause: max_trip_pause.min(LONGEST),
        };
        Self {
            max_wait: self.max_wait.min(LONGEST),
            connect_timeout: self.connect_timeout.min(LONGEST),
            timeout: self.timeout.min(LONGEST),
            idle_timeout: self.idle_timeout.min(LONGEST),
            max_retries: self.max_retries.min(MOST_RETRIES),
            breaker,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPPED: BreakerSettings = BreakerSettings {
        failures: 1,
        pause: LONGEST,
        max_pause: LONGEST,
        trip_pause: LONGEST,
        max_trip_pause: LONGEST,
    };

    #[test]
    fn excessive_values_are_capped() {
        let max = Duration::MAX;
        let breaker = BreakerSettings {
            failures: 0,
            pause: max,
            max_pause: max,
            trip_pause: max,
            max_trip_pause: max,
        };
        let plain = Settings::new(BASE_URL.parse().unwrap(), "key".parse().unwrap());
        let bounded = Settings {
            max_wait: max,
            connect_timeout: max,
            timeout: max,
            idle_timeout: max,
            max_retries: u32::MAX,
            breaker,
            ..plain
        }
        .bounded();
        let Settings { max_wait, connect_timeout, timeout, idle_timeout, .. } = bounded;
        assert_eq!([max_wait, connect_timeout, timeout, idle_timeout], [LONGEST; 4]);
        assert_eq!((bounded.max_retries, bounded.breaker), (MOST_RETRIES, CAPPED));
    }

    #[test]
    fn reasonable_values_are_kept() {
        let plain = Settings::new(BASE_URL.parse().unwrap(), "key".parse().unwrap());
        assert_eq!(format!("{:?}", plain.bounded()), format!("{plain:?}"));
    }
}
