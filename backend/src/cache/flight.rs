//! A load shared by many waiters. It runs in a separate task, so it outlives the request that
//! started it, and late joiners still receive all of its output from the start.

use super::meter;
use super::outcome::{Aborted, Cached, Origin, outcome};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// The most text kept for late joiners. Further text is not streamed to anyone, but the result is
/// still complete.
const MAX_DELTA_BYTES: usize = 1 << 20;

/// A load's output so far.
pub(super) struct Progress<T, E> {
    deltas: Vec<Arc<str>>,
    delta_bytes: usize,
    landed: Option<Landed<T, E>>,
}

/// A load's outcome: the value and its source, or the error.
pub(super) type Landed<T, E> = Result<(T, Source), Arc<E>>;

/// The source of a flight's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The value was stored `age_s` seconds ago.
    Stored { age_s: u64 },
    /// Another process has just loaded it.
    Elsewhere,
    /// It was loaded.
    Loaded,
}

/// The sending half, held by the flight's task.
pub(super) type Sender<T, E> = watch::Sender<Progress<T, E>>;
/// The receiving half, held by each waiter.
pub(super) type Receiver<T, E> = watch::Receiver<Progress<T, E>>;

/// A sink for the text that a load streams.
#[derive(Clone)]
pub struct Deltas(Arc<dyn Fn(&str) + Send + Sync>);

/// A value being loaded or already present.
pub struct Flight<T, E> {
    status: Status<T, E>,
    route: &'static str,
}

enum Status<T, E> {
    /// The value was already there.
    Landed(Cached<T>),
    Waiting {
        progress: Receiver<T, E>,
        /// The number of deltas consumed.
        taken: usize,
        role: Role,
    },
    /// The load was never started.
    Refused(Aborted),
}

/// A waiter's relation to the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It started the load.
    First,
    /// It joined the load.
    Joined,
    /// It asked for a separate load.
    Alone,
}

impl Role {
    const fn origin(self, source: Source) -> Origin {
        match (self, source) {
            (Self::Alone, _) => Origin::Bypass,
            (_, Source::Stored { age_s }) => Origin::Hit { age_s },
            (_, Source::Elsewhere) | (Self::Joined, Source::Loaded) => Origin::Coalesced,
            (Self::First, Source::Loaded) => Origin::Miss,
        }
    }
}

pub(super) fn progress<T, E>() -> Sender<T, E> {
    watch::channel(Progress { deltas: Vec::new(), delta_bytes: 0, landed: None }).0
}

impl Deltas {
    /// Creates a sink that sends to all of `sender`'s receivers.
    pub(super) fn through<T, E>(sender: &Arc<Sender<T, E>>) -> Self
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let sender = Arc::clone(sender);
        Self(Arc::new(move |text| {
            sender.send_if_modified(|progress| progress.push(text));
        }))
    }

    /// Streams a piece of the answer.
    pub fn push(&self, text: &str) {
        (self.0)(text);
    }
}

impl fmt::Debug for Deltas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deltas(…)")
    }
}

impl<T, E> Progress<T, E> {
    /// Appends a delta. Returns false if it was empty or didn't fit.
    fn push(&mut self, text: &str) -> bool {
        let bytes = self.delta_bytes.saturating_add(text.len());
        let fits = bytes <= MAX_DELTA_BYTES && !text.is_empty();
        if fits {
            self.delta_bytes = bytes;
            self.deltas.push(text.into());
        }
        fits
    }

    /// Sets the outcome. Only the first call has an effect, and returns true.
    pub(super) fn land(&mut self, landed: Landed<T, E>) -> bool {
        let first = self.landed.is_none();
        if first {
            self.landed = Some(landed);
        }
        first
    }
}

impl<T, E> Flight<T, E> {
    pub(super) fn landed(route: &'static str, cached: Cached<T>) -> Self {
        Self { status: Status::Landed(cached), route }
    }

    pub(super) fn refused(route: &'static str, why: Aborted) -> Self {
        Self { status: Status::Refused(why), route }
    }

    pub(super) fn waiting(route: &'static str, progress: Receiver<T, E>, role: Role) -> Self {
        Self { status: Status::Waiting { progress, taken: 0, role }, route }
    }

    /// Returns the next piece of the answer, or `None` at its end. A value that was already present
    /// has no pieces.
    pub async fn next_delta(&mut self) -> Option<Arc<str>> {
        let Status::Waiting { progress, taken, .. } = &mut self.status else { return None };
        let at = *taken;
        let progressed =
            progress.wait_for(|now| now.deltas.len() > at || now.landed.is_some()).await;
        let delta = progressed.ok()?.deltas.get(at).cloned();
        *taken = at.saturating_add(usize::from(delta.is_some()));
        delta
    }

    /// Returns the value's origin, if known. After the first delta it is known to be loading.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &self.status {
            Status::Landed(cached) => Some(cached.origin),
            Status::Waiting { taken: 1.., role, .. } => Some(role.origin(Source::Loaded)),
            Status::Waiting { .. } | Status::Refused(_) => None,
        }
    }
}

impl<T: Clone, E: From<Aborted>> Flight<T, E> {
    /// Waits for the value.
    ///
    /// # Errors
    /// The load's error, shared by all who waited for it, or [`Aborted`].
    pub async fn result(self) -> Result<Cached<T>, Arc<E>> {
        let result = match self.status {
            Status::Landed(cached) => Ok(cached),
            Status::Refused(why) => Err(Arc::new(why.into())),
            Status::Waiting { mut progress, role, .. } => {
                match progress.wait_for(|now| now.landed.is_some()).await {
                    Ok(now) => outcome_for(now.landed.as_ref(), role),
                    Err(_its_task_is_gone) => Err(Arc::new(Aborted::Panicked.into())),
                }
            }
        };
        meter::count_lookup(self.route, outcome(result.as_ref().ok()));
        result
    }
}

fn outcome_for<T: Clone, E: From<Aborted>>(
    landed: Option<&Landed<T, E>>,
    role: Role,
) -> Result<Cached<T>, Arc<E>> {
    match landed {
        Some(Ok((value, source))) => {
            Ok(Cached { value: value.clone(), origin: role.origin(*source) })
        }
        Some(Err(error)) => Err(Arc::clone(error)),
        None => Err(Arc::new(Aborted::Panicked.into())),
    }
}

impl<T, E> fmt::Debug for Flight<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flight({})", self.route)
    }
}
