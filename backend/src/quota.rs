//! Today's AI quota, as the gateway's policy counts it: the counter's name and its usage.
//!
//! Pure; [`crate::ledger`] does the query. Mirrors `envoy/policy.yaml`, which a test verifies.

use jiff::Timestamp;
use limits::counter::{BadCounterName, CounterName, Identity};
use limits::quota::{Anchor, FixedWindow, Limit, Period, Quota, TimeZone};
use limits::wire::{PeekBody, PeekReply};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The policy's bucket for daily AI requests.
pub(crate) const BUCKET: &str = "ai_daily";
/// The policy's key for logged-in users.
pub(crate) const KEY: &str = "user";

/// Today's usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Usage {
    /// The limit per day.
    pub limit: u64,
    /// The requests used today, or null if unknown.
    #[schema(required)]
    pub used: Option<u64>,
    /// The requests left today, or null if unknown.
    #[schema(required)]
    pub left: Option<u64>,
    /// The start of the next day.
    pub resets_at: Timestamp,
}

/// Builds the query to the shim for the counter of `user` against `limit`.
///
/// # Errors
/// [`BadCounterName`] if the bucket's name is invalid, which a constant rules out.
pub(crate) fn query(salt: &str, user: Uuid, limit: u32) -> Result<PeekBody, BadCounterName> {
    let user = user.to_string();
    let parts = [KEY.as_bytes(), user.as_bytes()];
    let counter = CounterName::new(&Identity::derive(salt.as_bytes(), parts), BUCKET)?;
    let (limit, time_zone) = (Limit::clamped(limit.into()), TimeZone::UTC);
    let quota = Quota::FixedWindow(FixedWindow {
        limit,
        per: Period::Day,
        time_zone,
        anchor: Anchor::default(),
    });
    Ok(PeekBody { counter, quota, block: None })
}

impl Usage {
    /// Converts the shim's reply. Reports the limit in force, as an operator can override the
    /// plan's limit for a user.
    #[must_use]
    pub fn of(reply: &PeekReply, now: Timestamp) -> Self {
        let now_ms = i64::try_from(reply.now_ms).ok();
        let now = now_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(now);
        let (limit, left) = (reply.charge.limit, reply.charge.remaining);
        let used = Some(limit.saturating_sub(left));
        Self { limit, used, left: Some(left), resets_at: next_day(now) }
    }

    /// Returns the part that is known without the shim.
    #[must_use]
    pub fn unknown(limit: u32, now: Timestamp) -> Self {
        Self { limit: limit.into(), used: None, left: None, resets_at: next_day(now) }
    }
}

/// Returns the start of the next day in UTC.
fn next_day(now: Timestamp) -> Timestamp {
    const DAY_S: i64 = 86_400;
    let tomorrow_s = (now.as_second().div_euclid(DAY_S) + 1) * DAY_S;
    Timestamp::from_second(tomorrow_s).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::wire::ChargeOutcome;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let check =
            |now: &str, expected: &str| assert_eq!(next_day(at(now)), at(expected), "{now}");
        check("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z");
        check("2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z");
        check("2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z");
    }

    #[test]
    fn usage_follows_the_ledgers_clock_and_limit() {
        let charge = ChargeOutcome {
            admitted: true,
            limit: 100,
            remaining: 93,
            reset_ms: 1,
            retry_after_ms: 0,
            lease: None,
            blocked: false,
        };
        let now_ms = u64::try_from(at("2026-11-24T23:59:59Z").as_millisecond()).unwrap();
        let usage = Usage::of(&PeekReply { now_ms, charge }, at("2026-11-25T00:00:01Z"));
        let resets_at = at("2026-11-25T00:00:00Z");
        assert_eq!(usage, Usage { limit: 100, used: Some(7), left: Some(93), resets_at });
    }

    #[test]
    fn the_query_does_not_reveal_the_user() {
        let user = Uuid::from_u128(7);
        let query = query("salt", user, 10).unwrap();
        let json = serde_json::to_string(&query).unwrap();
        assert!(!json.contains(&user.to_string()));
        insta::assert_snapshot!(json, @r#"{"counter":"tg:{ff6532a8684030d65a018c7f8f369c6b}:ai_daily","quota":{"fixed_window":{"limit":10,"per":"day"}}}"#);
    }

    /// Checks that the policy names and limits the counter in the same way.
    #[test]
    fn the_query_matches_the_shipped_policy() {
        let yaml = include_str!("../../envoy/policy.yaml");
        for line in [
            "user: { jwt_claim: sub, otherwise: client }",
            "salt: tollgate-development ",
            "  ai_daily:\n    key: user\n    per: day\n    limit: { by: { jwt_claim: tier }, values: { free: 10, starter: 50, pro: 999 }",
        ] {
            assert!(yaml.contains(line), "{line}");
        }
    }
}
