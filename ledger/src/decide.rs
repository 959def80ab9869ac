//! Decides the requests of one call.
//!
//! Calls [`crate::prepare`], and [`crate::store`] through [`crate::agree`].

use crate::agree;
use crate::ledger::Ledger;
use crate::names;
use crate::prepare::Preparer;
use crate::seal::Sealer;
use crate::store::{Fault, Timed};
use crate::telemetry;
use limits::ledger::Decided;
use limits::wire::{DecideReply, Decision, DecisionError, Request};
use metrics::counter;

impl Ledger {
    /// Decides `requests`, checked by [`checked::requests`](crate::checked::requests), in order.
    ///
    /// # Errors
    /// [`Fault`] if none of the requests got a decision and no part of the ledger is up. Otherwise,
    /// a request without a decision gets [`DecisionError::Unavailable`].
    pub async fn decide(&self, requests: &[Request]) -> Result<DecideReply, Fault> {
        let sealer = self.sealer()?;
        let answers = self.answers(requests).await?;
        let heard_ms = answers.iter().filter_map(|answer| Some(answer.as_ref().ok()?.now_ms)).max();
        // While other servers of a Cluster decide, this is not a failure of the call: callers
        // should not stop sending the requests whose counters are there.
        let now_ms = heard_ms.or_else(|| self.store.is_partly_up().then(|| self.store.now_ms()));
        let Some(now_ms) = now_ms else {
            let unavailable = counter!(telemetry::DECISIONS, "verdict" => "unavailable");
            unavailable.increment(requests.len() as u64);
            let fault = answers.into_iter().find_map(Result::err).unwrap_or(Fault::InvalidReply);
            return Err(counted(fault));
        };
        let decisions = requests.iter().zip(answers).map(|(request, answer)| match answer {
            Ok(answer) => self.decision(&sealer, request, answer),
            Err(fault) => undecided(now_ms, &counted(fault)),
        });
        Ok(DecideReply { now_ms, decisions: decisions.collect() })
    }

    async fn answers(
        &self,
        requests: &[Request],
    ) -> Result<Vec<Result<Timed<Decided>, Fault>>, Fault> {
        let book = self.book()?;
        let prepare = |at: usize, now_ms| {
            let request = requests.get(at).ok_or(Fault::InvalidReply)?;
            let prepared = Preparer { book: &book, now_ms }.request(request);
            prepared.map_err(|_| Fault::Clock { now_ms })
        };
        let ask = |questions| self.store.decide(questions);
        agree::ask(requests.len(), self.store.now_ms(), prepare, ask).await
    }

    fn decision(&self, sealer: &Sealer, request: &Request, answer: Timed<Decided>) -> Decision {
        let Timed { now_ms, answer: decided } = answer;
        let verdict = match (decided.admitted, decided.error) {
            (true, _) => "admitted",
            (false, None) => "denied",
            (false, Some(_)) => "error",
        };
        counter!(telemetry::DECISIONS, "verdict" => verdict).increment(1);
        for (charge, outcome) in request.charges.iter().zip(&decided.charges) {
            self.charges.count(charge.counter.bucket(), &charge.quota, outcome.admitted);
        }
        let unique = sealer.seal(now_ms, &names::decision(), &request.charges, &decided);
        decided.named(now_ms, unique)
    }
}

/// Builds the decision of a request that got none from the ledger, although its call succeeded.
fn undecided(now_ms: u64, fault: &Fault) -> Decision {
    tracing::debug!(%fault, "a request of a batch got no decision");
    counter!(telemetry::DECISIONS, "verdict" => "unavailable").increment(1);
    let error = Some(DecisionError::Unavailable);
    Decided { admitted: false, retry_after_ms: 0, charges: Vec::new(), error }
        .named(now_ms, names::decision())
}

/// Counts a fault that is reported to a client.
pub(crate) fn counted(fault: Fault) -> Fault {
    counter!(telemetry::FAULTS, "reason" => fault.label()).increment(1);
    fault
}
