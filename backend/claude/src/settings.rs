//! How a client works.
//!
//! Handed to [`crate::Client::new`]. Nothing is read from the environment.

use crate::api_key::ApiKey;
use crate::breaker::BreakerSettings;
use crate::prices::Prices;
use std::time::Duration;
use url::Url;

/// The service.
pub const BASE_URL: &str = "https://api.anthropic.com";

/// The longest of all times that can be set.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// The most retries that can be.
const MOST_RETRIES: u32 = 10;

/// How a client works. Make it with [`Settings::new`] and change what is to be otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the service is, `http` or `https`; `/v1/messages` is added. For TLS, the system's
    /// certificate authorities are trusted.
    pub base_url: Url,
    /// Who we are.
    pub api_key: ApiKey,
    /// The most calls under way at once, at least 1. One user ([`crate::Request::user_id`]) has a
    /// quarter of them at most, where a large call counts for several.
    pub max_concurrent: usize,
    /// The most calls that wait for their turn; any more are refused. One user has a quarter of all
    /// places at most.
    pub max_waiting: usize,
    /// The longest that a call waits before it is sent: for its turn, and while the service's
    /// limits are used up.
    pub max_wait: Duration,
    /// The longest that a connection takes, the TLS handshake included.
    pub connect_timeout: Duration,
    /// The longest that an attempt takes, to the end of its answer.
    pub timeout: Duration,
    /// The longest between two events of a stream, and until its head and its first.
    pub idle_timeout: Duration,
    /// How often a call is tried again.
    pub max_retries: u32,
    /// When the service is given up for a while.
    pub breaker: BreakerSettings,
    /// What tokens cost.
    pub prices: Prices,
}

impl Settings {
    /// 16 calls at once, 64 waiting, 30 s at most; 5 s to connect, 600 s for an answer (as the
    /// service's own clients), 60 s between events; 2 retries; the default breaker and prices.
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

    /// The same, with no time above a day and no more than ten retries.
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

    const MEASURED: BreakerSettings = BreakerSettings {
        failures: 1,
        pause: LONGEST,
        max_pause: LONGEST,
        trip_pause: LONGEST,
        max_trip_pause: LONGEST,
    };

    #[test]
    fn what_is_without_measure_is_brought_to_one() {
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
        assert_eq!((bounded.max_retries, bounded.breaker), (MOST_RETRIES, MEASURED));
    }

    #[test]
    fn what_has_measure_stays_as_it_is() {
        let plain = Settings::new(BASE_URL.parse().unwrap(), "key".parse().unwrap());
        assert_eq!(format!("{:?}", plain.bounded()), format!("{plain:?}"));
    }
}
