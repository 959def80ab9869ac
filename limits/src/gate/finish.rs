//! The last steps of every decision: recording it, and storing or refusing its stream.

use super::answer::Answer;
use super::charged::{self, Part};
use super::degraded::{self, Degraded};
use super::metrics::{self, By, Event};
use super::outbox::{Asked, StreamId};
use super::shared::SharedData;
use super::verdict::{Judged, Verdict};
use super::{Gate, Release, Stream};
use std::sync::Arc;

/// A request with its rendered decision.
pub(super) struct Decided<'a> {
    pub(super) stream: StreamId,
    pub(super) asked: &'a Asked,
    /// One outcome per charge.
    pub(super) judged: &'a [Judged],
    pub(super) verdict: Verdict,
    /// The charges, if any may be refunded.
    pub(super) parts: Vec<Part>,
}

impl Gate {
    /// Decides without the ledger, applying each bucket's `on_failure`.
    pub(super) fn degrade(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        shared: &impl SharedData,
    ) -> Release {
        let Degraded { verdict, judged, evicted } =
            degraded::decide(now_ms, &self.policy, asked, shared);
        self.metrics.add_amount(Event::LocalEvicted, evicted);
        self.finish(now_ms, Decided { stream, asked, judged: &judged, verdict, parts: Vec::new() })
    }

    /// Records a decision, and keeps what the stream's response needs.
    pub(super) fn finish(&mut self, now_ms: u64, decided: Decided<'_>) -> Release {
        self.record(&decided);
        match decided.verdict {
            Verdict::Pass { summary, ours } => {
                let mut charged = decided.parts;
                charged.retain(|part| charged::is_refundable(&self.policy, part.bucket));
                self.streams.insert(decided.stream, Stream::Decided { ours, charged });
                Release::Pass(summary)
            }
            Verdict::Refuse(answer) => {
                self.log_denial(now_ms, &answer);
                self.refuse(decided.stream, answer)
            }
        }
    }

    /// Logs a refusal, or counts it if there are too many.
    pub(super) fn log_denial(&mut self, now_ms: u64, answer: &Answer) {
        if !self.log.note(now_ms, || answer.summary.clone()) {
            self.metrics.increment(Event::DenialsUnlogged);
        }
    }

    /// Refuses a stream. Its answer also passes the response callback, but already has all its
    /// headers, so nothing is kept for it.
    pub(super) fn refuse(&mut self, stream: StreamId, answer: Arc<Answer>) -> Release {
        self.streams.remove(&stream);
        Release::Refuse(answer)
    }

    /// Counts a decision and each of its charges. For a refused request, only the charges that
    /// refused it are counted.
    fn record(&mut self, Decided { asked, judged, verdict, .. }: &Decided<'_>) {
        let refuses = matches!(verdict, Verdict::Refuse(_));
        self.metrics.increment(match refuses {
            _ if judged.iter().any(|judged| judged.by.is_degraded()) => Event::Degraded,
            true => Event::Denied,
            false => Event::Admitted,
        });
        for (planned, Judged { by, outcome }) in asked.charges.iter().zip(*judged) {
            let passes = *by != By::Deny && !(refuses && *by == By::Full);
            let fits = outcome.map_or(passes, |outcome| outcome.admitted);
            let blocked = outcome.is_some_and(|outcome| outcome.blocked);
            let verdict = match (refuses, fits) {
                (false, true) => metrics::Verdict::Admitted,
                (false, false) if blocked => metrics::Verdict::WouldBlock,
                (false, false) => metrics::Verdict::WouldDeny,
                (true, false) if planned.charge.enforce && blocked => metrics::Verdict::Blocked,
                (true, false) if planned.charge.enforce => metrics::Verdict::Denied,
                (true, _) => continue,
            };
            if outcome.is_some() || by.is_degraded() {
                self.metrics.record_charge(planned.bucket, *by, verdict);
            }
        }
    }
}
