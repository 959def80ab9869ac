//! Requests whose counters lie in several slots of a Cluster.
//!
//! No script can see two slots, so such a request is decided slot by slot, lowest first. Where one
//! slot denies, what the earlier ones charged is given back, and the later ones are only looked at.
//! All requests of a batch go through their slots side by side: as many round trips as the most
//! slots of any of them. Within a slot, the order of the batch is kept.
//!
//! A walk is a task of its own: its caller may stop waiting at its deadline while a server hangs,
//! and what the other servers have charged by then is to be given back all the same.
//!
//! Called by [`super::Store`].

use super::cluster::Cluster;
use super::fault::Fault;
use super::slots;
use super::wave::Timed;
use limits::ledger::{Charge, Decided, NEVER, Request, Settle, SettleCharge, SettleId, TimeMs};
use limits::quota::Limit;
use limits::wire::{ChargeOutcome, DecisionError, SettleAmount};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;
use tracing::{Instrument, debug, warn};

/// Batches under way at once, those included that nobody waits for any more; what is beyond is
/// refused before anything is charged.
const MAX_WALKING: usize = 1_024;

/// Giving back is tried this often where a server is away, in the background.
const MAX_TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Batches of charges being given back in the background at once; what is beyond is left to lapse.
const MAX_OPEN: usize = 256;

static WALKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MAX_WALKING)));
static OPEN: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MAX_OPEN)));
/// Makes the names of settles unique within the process.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// One request on its way through its slots.
struct Walk {
    request: Request,
    /// The charges' indices for each slot, the lowest slot first.
    parts: Vec<Vec<usize>>,
    outcomes: Vec<Option<ChargeOutcome>>,
    /// The times of the slots that charged, with the index of the part.
    charged: Vec<(usize, u64)>,
    state: State,
}

enum State {
    Walking,
    Denied { error: Option<DecisionError>, now_ms: u64 },
    Failed(Fault),
}

/// Whether all counters of `request` lie in one slot.
fn is_in_one_slot(request: &Request) -> bool {
    let mut tags = request.charges().iter().map(|charge| charge.counter.slot_tag());
    let Some(first) = tags.next() else { return true };
    tags.all(|tag| tag == first || slots::of_tag(tag) == slots::of_tag(first))
}

/// A batch's answers, on their way to whoever asked.
type Reply = oneshot::Sender<Vec<Result<Timed<Decided>, Fault>>>;

/// Decides each request, slot by slot. Where this future is dropped before its end, nothing of what
/// the servers are known to have charged stays charged.
pub(super) async fn decide(
    cluster: &Cluster,
    requests: Vec<Request>,
) -> Vec<Result<Timed<Decided>, Fault>> {
    if requests.iter().all(is_in_one_slot) {
        return cluster.ask(requests).await;
    }
    let count = requests.len();
    let refused = |fault: &Fault| (0..count).map(|_| Err(fault.clone())).collect();
    let Ok(place) = Arc::clone(&WALKING).try_acquire_owned() else {
        return refused(&Fault::Overloaded);
    };
    let (reply, answers) = oneshot::channel();
    let cluster = cluster.clone();
    let walk = async move {
        walk(&cluster, requests, reply).await;
        drop(place);
    };
    tokio::spawn(walk.in_current_span());
    answers.await.unwrap_or_else(|_| refused(&Fault::AnswerLost))
}

async fn walk(cluster: &Cluster, requests: Vec<Request>, reply: Reply) {
    let mut walks: Vec<_> = requests.into_iter().map(Walk::new).collect();
    let steps = walks.iter().map(|walk| walk.parts.len()).max().unwrap_or(0);
    for step in 0..steps {
        if reply.is_closed() {
            break;
        }
        let (places, parts): (Vec<_>, Vec<_>) =
            walks.iter().enumerate().filter_map(|(at, walk)| Some((at, walk.part(step)?))).unzip();
        for (place, answer) in places.into_iter().zip(cluster.ask(parts).await) {
            if let Some(walk) = walks.get_mut(place) {
                walk.note(step, answer);
            }
        }
    }
    give_back(cluster, &mut walks).await;
    look_at_the_rest(cluster, &mut walks).await;
    if reply.is_closed() {
        debug!("nobody waits any more for requests that span slots; giving back");
        walks.iter_mut().for_each(Walk::abandon);
        give_back(cluster, &mut walks).await;
    }
    // The caller may be gone only now, in which case the charges lapse.
    let _ = reply.send(walks.into_iter().map(Walk::result).collect());
}

/// Settles what the slots before the one that denied have charged.
async fn give_back(cluster: &Cluster, walks: &mut [Walk]) {
    let mut settles = Vec::new();
    let mut parts = Vec::new();
    for (at, walk) in walks.iter_mut().enumerate() {
        for (part, settle) in walk.undoing() {
            settles.push(settle);
            parts.push((at, part));
        }
    }
    if settles.is_empty() {
        return;
    }
    let answers = cluster.ask(settles.clone()).await;
    let mut failed = Vec::new();
    for (((at, part), answer), settle) in parts.into_iter().zip(answers).zip(settles) {
        match answer {
            Ok(answer) => {
                if let Some(walk) = walks.get_mut(at) {
                    walk.returned(part, &settle, &answer.answer.remaining);
                }
            }
            Err(_) => failed.push(settle),
        }
    }
    if !failed.is_empty() {
        keep_giving_back(cluster.clone(), failed);
    }
}

/// Tries again in the background. A settle takes effect once, however often it is sent.
fn keep_giving_back(cluster: Cluster, mut settles: Vec<Settle>) {
    let Ok(place) = Arc::clone(&OPEN).try_acquire_owned() else {
        warn!(settles = settles.len(), "too much is being given back already; these charges lapse");
        return;
    };
    tokio::spawn(async move {
        let mut pause = FIRST_PAUSE;
        for _ in 0..MAX_TRIES {
            sleep(pause).await;
            pause *= 2;
            let answers = cluster.ask(settles.clone()).await;
            settles = settles
                .into_iter()
                .zip(answers)
                .filter_map(|(settle, answer)| answer.is_err().then_some(settle))
                .collect();
            if settles.is_empty() {
                break;
            }
        }
        if !settles.is_empty() {
            warn!(settles = settles.len(), "charges could not be given back; they lapse");
        }
        drop(place);
    });
}

/// For the reply: how the charges stand that a denied request never came to.
async fn look_at_the_rest(cluster: &Cluster, walks: &mut [Walk]) {
    let mut places = Vec::new();
    let mut charges = Vec::new();
    for (at, walk) in walks.iter().enumerate() {
        if matches!(walk.state, State::Denied { .. }) {
            for (index, charge) in walk.unseen() {
                places.push((at, index));
                charges.push(charge);
            }
        }
    }
    if charges.is_empty() {
        return;
    }
    for ((at, index), answer) in places.into_iter().zip(cluster.ask(charges).await) {
        let Some(walk) = walks.get_mut(at) else { continue };
        match answer {
            Ok(answer) => walk.put(index, answer.answer),
            Err(fault) => walk.state = State::Failed(fault),
        }
    }
}

impl Walk {
    fn new(request: Request) -> Self {
        let mut parts = BTreeMap::<u16, Vec<usize>>::new();
        for (at, charge) in request.charges().iter().enumerate() {
            parts.entry(slots::of_tag(charge.counter.slot_tag())).or_default().push(at);
        }
        let outcomes = vec![None; request.charges().len()];
        let parts = parts.into_values().collect();
        Self { request, parts, outcomes, charged: Vec::new(), state: State::Walking }
    }

    /// What to ask the slot of this step, if the request gets that far.
    fn part(&self, step: usize) -> Option<Request> {
        matches!(self.state, State::Walking).then_some(())?;
        Request::new(self.charges(step).map(|(_, charge)| charge.clone()).collect()).ok()
    }

    /// A part's charges, with their places in the request.
    fn charges(&self, part: usize) -> impl Iterator<Item = (usize, &Charge)> {
        let places = self.parts.get(part).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|at| Some((*at, self.request.charges().get(*at)?)))
    }

    /// Takes down what a slot said.
    fn note(&mut self, part: usize, answer: Result<Timed<Decided>, Fault>) {
        let Timed { now_ms, answer: decided } = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                self.state = State::Failed(fault);
                return;
            }
        };
        let places: Vec<_> = self.charges(part).map(|(at, _)| at).collect();
        for (at, outcome) in places.into_iter().zip(decided.charges) {
            self.put(at, outcome);
        }
        if decided.admitted {
            self.charged.push((part, now_ms));
        } else {
            self.state = State::Denied { error: decided.error, now_ms };
        }
    }

    /// Nobody wants to know any more.
    fn abandon(&mut self) {
        self.state = State::Failed(Fault::AnswerLost);
    }

    fn put(&mut self, at: usize, outcome: ChargeOutcome) {
        if let Some(place) = self.outcomes.get_mut(at) {
            *place = Some(outcome);
        }
    }

    /// The settles that give back what was charged, unless the request was admitted, with the part
    /// that each is for; once. A lease is given back by one of its own: it is dated differently.
    fn undoing(&mut self) -> Vec<(usize, Settle)> {
        if matches!(self.state, State::Walking) {
            return Vec::new();
        }
        let mut settles = Vec::new();
        for (part, now_ms) in std::mem::take(&mut self.charged) {
            let mut by_tag = BTreeMap::<(&str, bool), Vec<SettleCharge>>::new();
            for (at, charge) in self.charges(part) {
                let Some(outcome) = self.outcomes.get(at).copied().flatten() else { continue };
                if !outcome.admitted {
                    continue;
                }
                let back = |amount: u64, lease_ms| SettleCharge {
                    counter: charge.counter.clone(),
                    terms: charge.terms,
                    amount: SettleAmount::GiveBack(Limit::clamped(amount)),
                    lease_ms,
                };
                let tag = charge.counter.slot_tag();
                by_tag.entry((tag, false)).or_default().push(back(charge.cost.get(), None));
                if let Some(lease) = outcome.lease {
                    let lease_ms = limits::quota::WindowMs::clamped(lease.lease_ms);
                    by_tag
                        .entry((tag, true))
                        .or_default()
                        .push(back(lease.granted, Some(lease_ms)));
                }
            }
            for charges in by_tag.into_values() {
                settles.extend(undo(now_ms, charges).map(|settle| (part, settle)));
            }
        }
        settles
    }

    /// Notes what is left where something was given back.
    fn returned(&mut self, part: usize, settle: &Settle, remaining: &[u64]) {
        for (charge, left) in settle.charges().iter().zip(remaining) {
            let place = self.charges(part).find(|(_, own)| own.counter == charge.counter);
            let Some((at, _)) = place else { continue };
            if let Some(Some(outcome)) = self.outcomes.get_mut(at) {
                outcome.remaining = outcome.remaining.max(*left);
                outcome.lease = None;
            }
        }
    }

    /// The charges about which no slot has said anything.
    fn unseen(&self) -> Vec<(usize, Charge)> {
        let unseen = self.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_none());
        let charge = |at: usize| Some((at, self.request.charges().get(at)?.clone()));
        unseen.filter_map(|(at, _)| charge(at)).collect()
    }

    /// The slots' answers as one.
    fn result(self) -> Result<Timed<Decided>, Fault> {
        // The earliest of the times names the decision. Where the servers' clocks differ, a settle
        // then seems to come later than it does, and so it does in slots that were asked later than
        // the first. It gives back no more than it may, perhaps from a charge that is older than its
        // own by no more than that difference; a token bucket then puts back only what was missing
        // before the charge.
        let charged_ms = self.charged.iter().map(|(_, now_ms)| *now_ms).min();
        let (mut error, now_ms) = match self.state {
            State::Failed(fault) => return Err(fault),
            State::Walking => (None, charged_ms.ok_or(Fault::Senseless)?),
            State::Denied { error, now_ms } => (error, now_ms),
        };
        let outcomes: Option<Vec<_>> = self.outcomes.into_iter().collect();
        let charges = outcomes.ok_or(Fault::Senseless)?;
        let denials = || {
            let enforced = charges.iter().zip(self.request.charges());
            enforced.filter(|(outcome, charge)| charge.enforce && !outcome.admitted)
        };
        let admitted = denials().next().is_none();
        let longest_ms = denials().map(|(outcome, _)| outcome.retry_after_ms).max().unwrap_or(0);
        if longest_ms == NEVER {
            error = Some(DecisionError::CostExceedsLimit);
        }
        let retry_after_ms = if error.is_some() { 0 } else { longest_ms };
        Ok(Timed { now_ms, answer: Decided { admitted, retry_after_ms, charges, error } })
    }
}

/// A settle that gives back; its name occurs once.
fn undo(now_ms: u64, charges: Vec<SettleCharge>) -> Option<Settle> {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let name = format!("undo-{}-{number:x}", crate::names::process());
    let id = SettleId::try_from(name).ok()?;
    Settle::new(id, TimeMs::clamped(now_ms), charges).ok()
}
