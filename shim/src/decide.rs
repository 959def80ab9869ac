//! Decides the requests of one call.
//!
//! Called by [`crate::http`] with what [`crate::checked`] let through; calls [`crate::prepare`] and
//! [`crate::ledger`].

use crate::agree;
use crate::app::App;
use crate::checked::Request;
use crate::ledger::{Fault, Timed};
use crate::names;
use crate::prepare::Preparer;
use crate::seal::Sealer;
use crate::telemetry;
use limits::ledger::Decided;
use limits::wire::{DecideReply, Decision, DecisionError};
use metrics::counter;

/// Decides `requests` in their order.
///
/// # Errors
/// [`Fault`] if none of them got a decision. Where only some did not, their decisions say so; where
/// none did while a part of a Cluster answers, all of them do.
pub(crate) async fn decide(app: &App, requests: &[Request]) -> Result<DecideReply, Fault> {
    let sealer = app.seals.sealer().ok_or(Fault::Disconnected)?;
    let answers = answers(app, requests).await?;
    let heard_ms = answers.iter().filter_map(|answer| Some(answer.as_ref().ok()?.now_ms)).max();
    // While other servers of a Cluster decide, the call has not failed: the caller is not to stop
    // asking for those whose counters live there.
    let now_ms = heard_ms.or_else(|| app.ledger.is_partly_up().then(|| app.ledger.now_ms()));
    let Some(now_ms) = now_ms else {
        let unavailable = counter!(telemetry::DECISIONS, "verdict" => "unavailable");
        unavailable.increment(requests.len() as u64);
        let fault = answers.into_iter().find_map(Result::err).unwrap_or(Fault::Senseless);
        return Err(counted(fault));
    };
    let decisions = requests.iter().zip(answers).map(|(request, answer)| match answer {
        Ok(answer) => decision(app, &sealer, request, answer),
        Err(fault) => undecided(now_ms, &counted(fault)),
    });
    Ok(DecideReply { now_ms, decisions: decisions.collect() })
}

async fn answers(
    app: &App,
    requests: &[Request],
) -> Result<Vec<Result<Timed<Decided>, Fault>>, Fault> {
    let book = app.overrides.book().ok_or(Fault::Disconnected)?;
    let prepare = |at: usize, now_ms| {
        let request = requests.get(at).ok_or(Fault::Senseless)?;
        let prepared = Preparer { book: &book, now_ms }.request(request);
        prepared.map_err(|_| Fault::Clock { now_ms })
    };
    let ask = |questions| app.ledger.decide(questions);
    agree::ask(requests.len(), app.ledger.now_ms(), prepare, ask).await
}

fn decision(app: &App, sealer: &Sealer, request: &Request, answer: Timed<Decided>) -> Decision {
    let Timed { now_ms, answer: decided } = answer;
    let verdict = match (decided.admitted, decided.error) {
        (true, _) => "admitted",
        (false, None) => "denied",
        (false, Some(_)) => "error",
    };
    counter!(telemetry::DECISIONS, "verdict" => verdict).increment(1);
    for (charge, outcome) in request.charges.iter().zip(&decided.charges) {
        app.charges.count(charge.counter.bucket(), charge.measure.algorithm(), outcome.admitted);
    }
    let unique = sealer.seal(now_ms, &names::decision(), &request.charges, &decided);
    decided.named(now_ms, unique)
}

/// What a request is told that got no decision while others of its call did.
fn undecided(now_ms: u64, fault: &Fault) -> Decision {
    tracing::debug!(%fault, "a request of a batch got no decision");
    counter!(telemetry::DECISIONS, "verdict" => "unavailable").increment(1);
    let error = Some(DecisionError::Unavailable);
    Decided { admitted: false, retry_after_ms: 0, charges: Vec::new(), error }
        .named(now_ms, names::decision())
}

/// Counts a fault that a client is told of.
pub(crate) fn counted(fault: Fault) -> Fault {
    counter!(telemetry::FAULTS, "reason" => fault.label()).increment(1);
    fault
}
