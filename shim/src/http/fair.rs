//! Shares a bounded resource (places, bytes) among peers. A peer can hold at most as much as is left
//! over for the others.
//!
//! One peer alone can take half, two a third each, and so on. Something is always left for the next
//! peer, however much the others take.
//!
//! Used by [`super::calls`], [`super::body`] and [`super::answer`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A bounded resource. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Fair(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    taken: Mutex<Taken>,
}

/// The amounts taken, in total and by peer.
#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// An amount taken by one peer. Dropping it returns the amount.
#[derive(Debug)]
pub(crate) struct Share {
    of: Fair,
    peer: IpAddr,
    held: usize,
}

impl Fair {
    /// Creates a resource of `capacity` units.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner { capacity, taken: Mutex::default() }))
    }

    /// Returns an empty share for `peer`.
    pub(crate) fn share(&self, peer: IpAddr) -> Share {
        Share { of: self.clone(), peer, held: 0 }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes `amount` more. Returns false and takes nothing if the peer would then hold more than
    /// is left.
    pub(crate) fn grow(&mut self, amount: usize) -> bool {
        let mut taken = self.of.taken();
        let left = self.of.0.capacity.saturating_sub(taken.total);
        let held = taken.by_peer.get(&self.peer).copied().unwrap_or(0);
        if held.saturating_add(amount) > left {
            return false;
        }
        taken.total += amount;
        *taken.by_peer.entry(self.peer).or_default() += amount;
        self.held += amount;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.total = taken.total.saturating_sub(self.held);
        if let Some(held) = taken.by_peer.get_mut(&self.peer) {
            *held = held.saturating_sub(self.held);
            if *held == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Takes one unit after another until the peer can take no more.
    fn take_all(fair: &Fair, last: u8) -> Vec<Share> {
        let one = || {
            let mut share = fair.share(peer(last));
            share.grow(1).then_some(share)
        };
        std::iter::from_fn(one).collect()
    }

    #[test]
    fn something_is_always_left_for_the_next_peer() {
        let fair = Fair::new(64);
        let mut held = Vec::new();
        for (last, expected) in [(1, 32), (2, 16), (3, 8), (4, 4), (5, 2), (6, 1)] {
            let shares = take_all(&fair, last);
            assert_eq!(shares.len(), expected, "peer {last}");
            held.push(shares);
        }
        drop(held);
        assert_eq!(take_all(&fair, 9).len(), 32, "everything was returned");
        assert!(fair.taken().by_peer.is_empty(), "the table is empty again");
    }

    #[test]
    fn a_refused_share_takes_nothing() {
        let fair = Fair::new(10);
        let mut share = fair.share(peer(1));
        assert!(share.grow(3));
        assert!(!share.grow(5));
        assert_eq!((share.held, fair.taken().total), (3, 3));
        assert!(share.grow(2));
    }
}
