//! Requests whose counters are in several slots of a Cluster.
//!
//! A script cannot access two slots, so such a request is decided slot by slot, lowest first. If a
//! slot denies, the charges in the earlier ones are given back, and the later ones are only read.
//! All requests of a batch go through their slots concurrently, so a batch takes as many round
//! trips as its request with the most slots. Within a slot, the order of the batch is kept.
//!
//! A walk runs as its own task. Its caller can stop waiting at its deadline while a server hangs,
//! but the charges made on other servers by then must still be given back.
//!
//! Called by [`super::Store`].

use super::cluster::Cluster;
use super::fault::Fault;
use super::slots;
use super::wave::Timed;
use limits::ledger::{Charge, Decided, Request, Settle, SettleCharge, SettleId, TimeMs};
use limits::quota::Limit;
use limits::wire::{ChargeOutcome, SettleAmount};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;
use tracing::{Instrument, debug, warn};

/// The most batches under way at once, including those that no caller waits for any more. Further
/// batches are refused before anything is charged.
const MAX_WALKING: usize = 1_024;

/// The number of background retries of giving back if a server is unavailable.
const MAX_TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The most batches of give-backs in the background. Charges of further ones are left to expire.
const MAX_GIVING_BACK: usize = 256;

static WALKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MAX_WALKING)));
static GIVING_BACK: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(MAX_GIVING_BACK)));
/// A counter that makes the settles' ids unique within the process.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// A request on its way through its slots.
struct Walk {
    request: Request,
    /// For each slot, the indices of its charges; lowest slot first.
    parts: Vec<Vec<usize>>,
    outcomes: Vec<Option<ChargeOutcome>>,
    /// The slots that charged: the index of the part, and the time.
    charged: Vec<(usize, u64)>,
    state: State,
}

enum State {
    Walking,
    Denied { now_ms: u64 },
    Failed(Fault),
}

/// Returns true if all counters of `request` are in one slot.
fn is_in_one_slot(request: &Request) -> bool {
    let mut tags = request.charges().iter().map(|charge| charge.counter.slot_tag());
    let Some(first) = tags.next() else { return true };
    tags.all(|tag| tag == first || slots::of_tag(tag) == slots::of_tag(first))
}

/// The channel for a batch's answers.
type Reply = oneshot::Sender<Vec<Result<Timed<Decided>, Fault>>>;

/// Decides each request, slot by slot. If this future is dropped early, all charges that the
/// servers are known to have made are given back.
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
    peek_at_the_rest(cluster, &mut walks).await;
    if reply.is_closed() {
        debug!("the caller of requests that span slots is gone; giving back");
        walks.iter_mut().for_each(Walk::abandon);
        give_back(cluster, &mut walks).await;
    }
    // If the caller disappears only now, the charges expire.
    let _ = reply.send(walks.into_iter().map(Walk::result).collect());
}

/// Gives back the charges made by slots before the one that denied.
async fn give_back(cluster: &Cluster, walks: &mut [Walk]) {
    let mut settles = Vec::new();
    let mut parts = Vec::new();
    for (at, walk) in walks.iter_mut().enumerate() {
        for (part, settle) in walk.take_undos() {
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

/// Retries in the background. Settles are idempotent.
fn keep_giving_back(cluster: Cluster, mut settles: Vec<Settle>) {
    let Ok(place) = Arc::clone(&GIVING_BACK).try_acquire_owned() else {
        warn!(
            settles = settles.len(),
            "too many charges are being given back; these expire instead"
        );
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
            warn!(settles = settles.len(), "charges could not be given back; they expire instead");
        }
        drop(place);
    });
}

/// Reads the counters that a denied request did not reach, for its reply.
async fn peek_at_the_rest(cluster: &Cluster, walks: &mut [Walk]) {
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

    /// Returns the request for the slot of this step, if the walk gets that far.
    fn part(&self, step: usize) -> Option<Request> {
        let is_there = matches!(self.state, State::Walking) && step < self.parts.len();
        let charges = || self.charges(step).map(|(_, charge)| charge.clone()).collect();
        is_there.then(|| Request::of_checked(charges()))
    }

    /// Returns a part's charges, with their indices in the request.
    fn charges(&self, part: usize) -> impl Iterator<Item = (usize, &Charge)> {
        let places = self.parts.get(part).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|at| Some((*at, self.request.charges().get(*at)?)))
    }

    /// Records a slot's answer.
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
            self.state = State::Denied { now_ms };
        }
    }

    /// Marks the walk as failed, because its caller is gone.
    fn abandon(&mut self) {
        self.state = State::Failed(Fault::AnswerLost);
    }

    fn put(&mut self, at: usize, outcome: ChargeOutcome) {
        if let Some(place) = self.outcomes.get_mut(at) {
            *place = Some(outcome);
        }
    }

    /// Returns the settles that give back the charges, each with the index of its part, unless the
    /// request was admitted. Returns each only once. A lease has its own settle, because it is
    /// dated differently.
    fn take_undos(&mut self) -> Vec<(usize, Settle)> {
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

    /// Updates the outcomes after a give-back.
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

    /// Returns the charges that have no outcome yet.
    fn unseen(&self) -> Vec<(usize, Charge)> {
        let unseen = self.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_none());
        let charge = |at: usize| Some((at, self.request.charges().get(at)?.clone()));
        unseen.filter_map(|(at, _)| charge(at)).collect()
    }

    /// Combines the slots' answers.
    fn result(self) -> Result<Timed<Decided>, Fault> {
        // The earliest of the times names the decision. If the servers' clocks differ, a settle
        // seems later than it is, as it also does in slots that were asked later than the first. It
        // still never gives back too much. It may take from a charge that is older than its own by
        // at most that difference. A token bucket then puts back only what was missing before the
        // charge.
        let charged_ms = self.charged.iter().map(|(_, now_ms)| *now_ms).min();
        let now_ms = match self.state {
            State::Failed(fault) => return Err(fault),
            State::Walking => charged_ms.ok_or(Fault::InvalidReply)?,
            State::Denied { now_ms } => now_ms,
        };
        let outcomes: Option<Vec<_>> = self.outcomes.into_iter().collect();
        let outcomes = outcomes.ok_or(Fault::InvalidReply)?;
        Ok(Timed { now_ms, answer: Decided::of(&self.request, outcomes) })
    }
}

/// Builds a settle that gives back `charges`, with a unique id.
fn undo(now_ms: u64, charges: Vec<SettleCharge>) -> Option<Settle> {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let name = format!("undo-{}-{number:x}", crate::names::process());
    let id = SettleId::try_from(name).ok()?;
    Settle::new(id, TimeMs::clamped(now_ms), charges).ok()
}
