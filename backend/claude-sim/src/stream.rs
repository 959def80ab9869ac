//! Response bodies that are sent piece by piece, and can end in a fault.
//!
//! Called by [`crate::routes::messages`].

use crate::at_once::Entered;
use crate::faults::{Fault, MAX_DELAY_MS};
use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use std::io;
use std::time::Duration;

/// The time for sent data to reach the client before the connection is cut.
const FLUSH: Duration = Duration::from_millis(20);
/// The time a body hangs before it is cut.
const HANG: Duration = Duration::from_millis(MAX_DELAY_MS);

/// A step of sending a body.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Send(String),
    Wait(Duration),
    Cut,
}

/// Returns a body of `events`, with `latency` before each, that ends as `fault` demands. `error` is
/// the event for a fault that ends with an error. The request counts as concurrent until the body
/// ends.
pub(crate) fn events(
    events: Vec<String>,
    error: String,
    fault: &Fault,
    latency: Duration,
    entered: Entered,
) -> Body {
    let pause = fault.event_delay() + latency;
    let (kept, end) = ended(fault, events.len(), error);
    let events = events.into_iter().take(kept);
    let mut steps: Vec<Step> =
        events.flat_map(|event| [Step::Wait(pause), Step::Send(event)]).collect();
    steps.extend(end);
    body(steps, entered)
}

/// Returns a body with the first half of `text`, then the end that `fault` demands.
pub(crate) fn half(text: &str, fault: &Fault, entered: Entered) -> Body {
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    let wait = if fault.cut_after_events.is_some() { FLUSH } else { HANG };
    body(vec![Step::Send(half), Step::Wait(wait), Step::Cut], entered)
}

/// Returns how many of `count` events to send, and the steps after them. If `fault` has several
/// ends, the earliest counts.
fn ended(fault: &Fault, count: usize, error: String) -> (usize, Vec<Step>) {
    let cut = (fault.cut_after_events, vec![Step::Wait(FLUSH), Step::Cut]);
    let hang = (fault.hang_after_events, vec![Step::Wait(HANG), Step::Cut]);
    let error = (fault.error_after_events, vec![Step::Send(error)]);
    let ends = [cut, hang, error].into_iter().filter_map(|(after, end)| Some((after?, end)));
    let first = ends.filter(|(after, _)| *after < count).min_by_key(|(after, _)| *after);
    first.unwrap_or((count, Vec::new()))
}

fn body(steps: Vec<Step>, entered: Entered) -> Body {
    let stream = stream::iter(steps).filter_map(move |step| {
        // Keeps the request counted until the body is dropped.
        let _entered = &entered;
        taken(step)
    });
    Body::from_stream(stream)
}

async fn taken(step: Step) -> Option<io::Result<Bytes>> {
    match step {
        Step::Send(text) => Some(Ok(text.into())),
        Step::Wait(Duration::ZERO) => {
            // Yield, so that each event is sent separately.
            tokio::task::yield_now().await;
            None
        }
        Step::Wait(duration) => {
            tokio::time::sleep(duration).await;
            None
        }
        Step::Cut => Some(Err(io::Error::other("cut by a fault injected through /sim/faults"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_fault_ends_the_stream() {
        let kept = |fault: Fault| ended(&fault, 5, "error".to_owned());
        assert_eq!(kept(Fault::default()), (5, vec![]));
        let both =
            Fault { cut_after_events: Some(3), error_after_events: Some(2), ..Fault::default() };
        assert_eq!(kept(both), (2, vec![Step::Send("error".to_owned())]));
        let never = Fault { cut_after_events: Some(5), ..Fault::default() };
        assert_eq!(kept(never), (5, vec![]));
        let at_once = Fault { hang_after_events: Some(0), ..Fault::default() };
        assert_eq!(kept(at_once), (0, vec![Step::Wait(HANG), Step::Cut]));
    }
}
