//! Faults that tests inject through `/sim/faults`.
//!
//! `crate::routes::sim` adds faults. `crate::routes::messages` takes one for each valid request.

use crate::answer::{Stop, Wanted};
use crate::refusal::Kind;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most pending faults.
const MAX_FAULTS: usize = 64;
/// The largest value of `times`.
const MAX_TIMES: u32 = 1_000_000;
/// The longest delay or hang: ten minutes.
pub const MAX_DELAY_MS: u64 = 10 * 60 * 1000;
/// The most headers of a fault.
const MAX_HEADERS: usize = 32;

/// A fault for one or more requests. Members can be combined; the defaults change nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The number of requests it applies to; if `None`, all until it is cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Answers with an error of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error's type; by default the one that belongs to the status.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The error's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The error's details: `{"error_code": "enforced_spend_limit_reached"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Waits this long before responding.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    /// Waits this long before each event of a stream.
    #[serde(skip_serializing_if = "is_zero")]
    pub event_delay_ms: u64,
    /// Never responds.
    #[serde(skip_serializing_if = "is_false")]
    pub hang: bool,
    /// Sends this many events, then hangs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang_after_events: Option<usize>,
    /// Sends this many events, then closes the connection. A plain answer is cut in half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after_events: Option<usize>,
    /// Sends this many events, then the error as an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_after_events: Option<usize>,
    /// Ends the answer with this stop reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Stop>,
    /// Answers with this text, even if it does not match the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Adds these response headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Fault {
    /// Checks that all values are valid.
    ///
    /// # Errors
    /// Fails with the first invalid member and the expected value.
    pub fn check(&self) -> Result<(), String> {
        if let Some(times) = self.times
            && !(1..=MAX_TIMES).contains(&times)
        {
            return Err(format!("times: expected 1 to {MAX_TIMES}, found {times}"));
        }
        if let Some(status) = self.status
            && !(400..=599).contains(&status)
        {
            return Err(format!("status: expected 400 to 599, found {status}"));
        }
        for (name, delay_ms) in
            [("delay_ms", self.delay_ms), ("event_delay_ms", self.event_delay_ms)]
        {
            if delay_ms > MAX_DELAY_MS {
                return Err(format!("{name}: expected at most {MAX_DELAY_MS}, found {delay_ms}"));
            }
        }
        if self.headers.len() > MAX_HEADERS {
            return Err(format!("headers: expected at most {MAX_HEADERS}"));
        }
        match self.headers.iter().find(|(name, value)| header(name, value).is_none()) {
            Some((name, value)) => {
                Err(format!("headers: {name:?}: {value:?} is not a valid header"))
            }
            None => Ok(()),
        }
    }

    /// Returns the status of the error response, if any.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status.and_then(|status| StatusCode::from_u16(status).ok())
    }

    /// Returns the error's type and message.
    #[must_use]
    pub fn error(&self) -> (&str, &str) {
        let status = self.status().unwrap_or_else(|| Kind::Overloaded.status());
        let name = self.kind.as_deref().unwrap_or_else(|| Kind::of_status(status).name());
        (name, self.message.as_deref().unwrap_or("injected through /sim/faults"))
    }

    /// Returns the delay before the response.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Returns the delay before each event.
    #[must_use]
    pub const fn event_delay(&self) -> Duration {
        Duration::from_millis(self.event_delay_ms)
    }

    /// Returns the overrides of the answer.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted { text: self.text.clone(), stop: self.stop_reason }
    }

    /// Returns the additional response headers.
    #[must_use]
    pub fn header_map(&self) -> HeaderMap {
        self.headers.iter().filter_map(|(name, value)| header(name, value)).collect()
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
}

/// The pending faults.
#[derive(Debug, Default)]
pub struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    /// Appends faults, all or nothing.
    ///
    /// # Errors
    /// Fails if one is invalid, or if there would be too many.
    pub fn add(&self, faults: Vec<Fault>) -> Result<(), String> {
        faults.iter().try_for_each(Fault::check)?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() + faults.len() > MAX_FAULTS {
            return Err(format!(
                "expected at most {MAX_FAULTS} faults; clear them with DELETE /sim/faults"
            ));
        }
        waiting.extend(faults);
        Ok(())
    }

    /// Takes the fault for the next request; a default one if none is pending.
    pub fn take(&self) -> Fault {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = waiting.front_mut() else { return Fault::default() };
        let fault = first.clone();
        if let Some(times) = &mut first.times {
            *times -= 1;
            if *times == 0 {
                waiting.pop_front();
            }
        }
        fault
    }

    /// Returns the pending faults.
    pub fn show(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(members: Value) -> Fault {
        serde_json::from_value(members).unwrap()
    }

    #[test]
    fn faults_are_taken_in_order_and_as_often_as_set() {
        let faults = Faults::default();
        let (twice, always) =
            (fault(json!({ "times": 2, "status": 500 })), fault(json!({ "hang": true })));
        faults.add(vec![twice, always]).unwrap();
        let taken: Vec<_> = (0..4).map(|_| faults.take()).collect();
        let statuses: Vec<_> = taken.iter().map(|fault| fault.status).collect();
        assert_eq!(statuses, [Some(500), Some(500), None, None]);
        assert!(taken[3].hang && faults.take().hang);
        faults.clear();
        assert_eq!(faults.take(), Fault::default());
    }

    #[test]
    fn invalid_faults_are_reported_and_nothing_is_added() {
        let faults = Faults::default();
        let error_of =
            |members: Value| faults.add(vec![Fault::default(), fault(members)]).unwrap_err();
        let all = [
            error_of(json!({ "times": 0 })),
            error_of(json!({ "status": 200 })),
            error_of(json!({ "delay_ms": MAX_DELAY_MS + 1 })),
            error_of(json!({ "event_delay_ms": MAX_DELAY_MS + 1 })),
            error_of(json!({ "headers": { "a b": "c" } })),
            faults.add(vec![Fault::default(); MAX_FAULTS + 1]).unwrap_err(),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        times: expected 1 to 1000000, found 0
        status: expected 400 to 599, found 200
        delay_ms: expected at most 600000, found 600001
        event_delay_ms: expected at most 600000, found 600001
        headers: "a b": "c" is not a valid header
        expected at most 64 faults; clear them with DELETE /sim/faults
        "#);
        assert_eq!(faults.show(), []);
    }

    #[test]
    fn an_errors_type_defaults_to_the_statuss() {
        assert_eq!(fault(json!({ "status": 529 })).error().0, "overloaded_error");
        assert_eq!(fault(json!({ "status": 429 })).error().0, "rate_limit_error");
        assert_eq!(fault(json!({ "status": 502 })).error().0, "api_error");
        let named = fault(json!({ "status": 500, "type": "odd", "message": "so" }));
        assert_eq!(named.error(), ("odd", "so"));
    }
}
