//! One load that many wait for. It runs in a task of its own, so it outlives whoever began it;
//! whoever joins late is told everything from the start.

use super::meter;
use super::outcome::{Aborted, Cached, Origin, outcome};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// The most text that is kept for those who join late. What comes on top reaches nobody piece by
/// piece; the result is whole all the same.
const MAX_DELTA_BYTES: usize = 1 << 20;

/// What a flight's load has told so far.
pub(super) struct Progress<T, E> {
    deltas: Vec<Arc<str>>,
    delta_bytes: usize,
    landed: Option<Landed<T, E>>,
}

/// What became of a load: the value and where it came from, or why there is none.
pub(super) type Landed<T, E> = Result<(T, Source), Arc<E>>;

/// Where a flight got its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It had been stored so long ago.
    Stored { age_s: u64 },
    /// Another process has just loaded it.
    Elsewhere,
    /// It was loaded.
    Loaded,
}

/// The end of a flight that its task holds.
pub(super) type Sender<T, E> = watch::Sender<Progress<T, E>>;
/// The end that those who wait hold.
pub(super) type Receiver<T, E> = watch::Receiver<Progress<T, E>>;

/// What a load tells while it runs.
#[derive(Clone)]
pub struct Deltas(Arc<dyn Fn(&str) + Send + Sync>);

/// A value on its way.
pub struct Flight<T, E> {
    seat: Seat<T, E>,
    route: &'static str,
}

enum Seat<T, E> {
    /// It was there already.
    Landed(Cached<T>),
    Waiting {
        progress: Receiver<T, E>,
        /// How many deltas have been taken.
        taken: usize,
        role: Role,
    },
    /// It never took off.
    Refused(Aborted),
}

/// What someone who waits has to do with the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// They began it.
    First,
    /// They joined.
    Joined,
    /// They wanted one of their own.
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
    /// Tells everyone who waits through `sender`.
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

    /// A piece of the answer, as it comes.
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
    /// Whether there was room for it.
    fn push(&mut self, text: &str) -> bool {
        let bytes = self.delta_bytes.saturating_add(text.len());
        let fits = bytes <= MAX_DELTA_BYTES && !text.is_empty();
        if fits {
            self.delta_bytes = bytes;
            self.deltas.push(text.into());
        }
        fits
    }

    /// The first result is the result.
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
        Self { seat: Seat::Landed(cached), route }
    }

    pub(super) fn refused(route: &'static str, why: Aborted) -> Self {
        Self { seat: Seat::Refused(why), route }
    }

    pub(super) fn waiting(route: &'static str, progress: Receiver<T, E>, role: Role) -> Self {
        Self { seat: Seat::Waiting { progress, taken: 0, role }, route }
    }

    /// The next piece of the answer, as the load tells it; `None` once there are no more. A value
    /// that was there already has none: it is whole.
    pub async fn next_delta(&mut self) -> Option<Arc<str>> {
        let Seat::Waiting { progress, taken, .. } = &mut self.seat else { return None };
        let at = *taken;
        let told = progress.wait_for(|now| now.deltas.len() > at || now.landed.is_some()).await;
        let delta = told.ok()?.deltas.get(at).cloned();
        *taken = at.saturating_add(usize::from(delta.is_some()));
        delta
    }

    /// Where the value comes from, as soon as that is known: once a first delta has come, it is
    /// being loaded.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &self.seat {
            Seat::Landed(cached) => Some(cached.origin),
            Seat::Waiting { taken: 1.., role, .. } => Some(role.origin(Source::Loaded)),
            Seat::Waiting { .. } | Seat::Refused(_) => None,
        }
    }
}

impl<T: Clone, E: From<Aborted>> Flight<T, E> {
    /// The value, once it is there.
    ///
    /// # Errors
    /// What the load failed with, which everyone who waited for it is told; or [`Aborted`].
    pub async fn result(self) -> Result<Cached<T>, Arc<E>> {
        let result = match self.seat {
            Seat::Landed(cached) => Ok(cached),
            Seat::Refused(why) => Err(Arc::new(why.into())),
            Seat::Waiting { mut progress, role, .. } => {
                match progress.wait_for(|now| now.landed.is_some()).await {
                    Ok(now) => told(now.landed.as_ref(), role),
                    Err(_its_task_is_gone) => Err(Arc::new(Aborted::Panicked.into())),
                }
            }
        };
        meter::asked(self.route, outcome(result.as_ref().ok()));
        result
    }
}

fn told<T: Clone, E: From<Aborted>>(
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
