//! Connections of one port, and which of them is closed where there is no room for another.
//!
//! If there are too many connections, a new one takes the place of one of the peer that has the most:
//! one on which nothing is asked, rather one on which nothing ever was, and of those the one that has
//! been quiet for longest. So a peer that hoards connections loses its own, and others never wait.
//!
//! Used by [`super::server`]; [`super::answer`] notes what is under way.

use axum::http::Extensions;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection on which something is asked may be closed for another once it has been quiet for
/// this long.
const STUCK: Duration = Duration::from_secs(2);

/// The connections of one port. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    most: usize,
    table: Arc<Mutex<Table>>,
    /// A place has become free.
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    guests: HashMap<u64, Arc<Guest>>,
    by_peer: HashMap<IpAddr, usize>,
    /// One of them has been told to leave, and is still there.
    leaving: Option<u64>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    peer: IpAddr,
    number: u64,
    under_way: AtomicUsize,
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Debug)]
struct State {
    active: Instant,
    has_asked: bool,
    /// Since when each answer has not been taken by the client.
    untaken: HashMap<u64, Instant>,
    last: u64,
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    guest: Arc<Guest>,
    guests: Guests,
}

/// Something is asked on a connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct Asking(Arc<Guest>);

/// Something that is asked on a connection waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Guest>);

/// An answer that the client has not taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Untaken {
    guest: Arc<Guest>,
    number: u64,
}

impl Guests {
    /// Room for `most` connections, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), table: Arc::default(), freed: Arc::default() }
    }

    /// Lets a connection of `peer` in; if there are too many, once another has left for it. Returns
    /// `None` if none can leave. To be called by one task.
    pub(super) async fn admit(&self, peer: IpAddr, now: Instant) -> Option<Place> {
        while self.is_full(now)? {
            self.freed.notified().await;
        }
        let peer = group(peer);
        let mut table = self.table();
        table.last += 1;
        let state = State { active: now, has_asked: false, untaken: HashMap::new(), last: 0 };
        let guest = Arc::new(Guest {
            peer,
            number: table.last,
            under_way: AtomicUsize::new(0),
            state: Mutex::new(state),
            leave: Notify::new(),
        });
        table.guests.insert(guest.number, Arc::clone(&guest));
        *table.by_peer.entry(peer).or_default() += 1;
        Some(Place { guest, guests: self.clone() })
    }

    /// Returns true if there is no room, and tells a connection to leave; `None` if none can.
    fn is_full(&self, now: Instant) -> Option<bool> {
        let mut table = self.table();
        if table.guests.len() < self.most {
            return Some(false);
        }
        if table.leaving.is_none() {
            let leaves = table.least_missed(now)?;
            table.leaving = Some(leaves.number);
            leaves.leave.notify_one();
        }
        Some(true)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Returns the connection to close first: of the peer with the most, the one that has been quiet
    /// for longest, if possible one on which nothing is asked.
    fn least_missed(&self, now: Instant) -> Option<Arc<Guest>> {
        let (greediest, _) = self.by_peer.iter().max_by_key(|(_, count)| **count)?;
        let own = self.guests.values().filter(|guest| guest.peer == *greediest);
        let least = own.min_by_key(|guest| (guest.is_asked(), guest.activity()))?;
        let (_, active) = least.activity();
        let may_go = !least.is_asked() || now.saturating_duration_since(active) >= STUCK;
        may_go.then(|| Arc::clone(least))
    }

    fn remove(&mut self, number: u64) {
        let Some(guest) = self.guests.remove(&number) else { return };
        self.leaving = self.leaving.filter(|leaving| *leaving != number);
        if let Some(count) = self.by_peer.get_mut(&guest.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_peer.remove(&guest.peer);
            }
        }
    }
}

impl Guest {
    /// Returns the peer: an IPv4 address, or an IPv6 network of 64 bits.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Resolves when the connection is to be closed for another.
    pub(super) async fn is_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Notes that something is asked, until the result is dropped.
    pub(super) fn ask(self: &Arc<Self>, now: Instant) -> Asking {
        let mut state = self.state();
        (state.active, state.has_asked) = (now, true);
        drop(state);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Asking(Arc::clone(self))
    }

    /// Notes that nobody works on what is asked, until the result is dropped: the connection counts
    /// as one on which nothing is asked.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Notes that the client has an answer to take, until the result is dropped.
    pub(super) fn answer(self: &Arc<Self>, now: Instant) -> Untaken {
        let mut state = self.state();
        state.active = now;
        state.last += 1;
        let number = state.last;
        state.untaken.insert(number, now);
        Untaken { guest: Arc::clone(self), number }
    }

    /// Returns when the oldest answer began to wait that the client has not taken.
    pub(super) fn untaken_since(&self) -> Option<Instant> {
        self.state().untaken.values().min().copied()
    }

    fn is_asked(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Returns true if anything was ever asked, and when it was last active.
    fn activity(&self) -> (bool, Instant) {
        let state = self.state();
        (state.has_asked, state.active)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guests.table().remove(self.guest.number);
        self.guests.freed.notify_one();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.guest.state().untaken.remove(&self.number);
    }
}

/// Returns the peer that an address belongs to. A client with an IPv6 network has 2^64 addresses.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// Returns the peer whose connection a request came by, as [`super::server`] has noted it.
pub(crate) fn peer(extensions: &Extensions) -> IpAddr {
    let guest = extensions.get::<Arc<Guest>>();
    guest.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |guest| guest.peer())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn numbers(guests: &Guests) -> Vec<u64> {
        let mut numbers: Vec<_> = guests.table().guests.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Lets one in that leaves when it is told to.
    async fn seat(guests: &Guests, last: u8, now: Instant) -> Option<Arc<Guest>> {
        let place = guests.admit(peer(last), now).await?;
        let guest = Arc::clone(place.guest());
        tokio::spawn(async move {
            place.guest().is_to_leave().await;
            drop(place);
        });
        Some(guest)
    }

    #[tokio::test(start_paused = true)]
    async fn the_greediest_peer_s_quietest_connection_leaves_for_another() {
        let guests = Guests::new(5);
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let has_asked = seat(&guests, 1, at(0)).await.unwrap();
        drop(has_asked.ask(at(0)));
        let asked = seat(&guests, 1, at(1)).await.unwrap();
        let _asking = asked.ask(at(1));
        seat(&guests, 1, at(2)).await.unwrap();
        seat(&guests, 1, at(3)).await.unwrap();
        seat(&guests, 2, at(0)).await.unwrap();
        assert_eq!(numbers(&guests), [1, 2, 3, 4, 5]);
        for (newcomer, expected) in [
            (3, [1, 2, 4, 5, 6]), // one that never asked, the older
            (1, [1, 2, 5, 6, 7]), // its own peer's
            (4, [1, 2, 5, 6, 8]),
            (5, [2, 5, 6, 8, 9]), // none is left that never asked
        ] {
            seat(&guests, newcomer, at(10)).await.unwrap();
            assert_eq!(numbers(&guests), expected, "for peer {newcomer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_asked_stays_unless_it_is_stuck() {
        let guests = Guests::new(1);
        let now = Instant::now();
        let guest = seat(&guests, 1, now).await.unwrap();
        let _asking = guest.ask(now);
        assert!(seat(&guests, 2, now).await.is_none());
        let waiting = guest.wait();
        assert_eq!(seat(&guests, 2, now).await.unwrap().peer(), peer(2));
        drop(waiting);
        let second = guests.table().guests.values().next().cloned().unwrap();
        let _asking = second.ask(now);
        assert!(seat(&guests, 3, now + STUCK).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back() {
        let guests = Guests::new(1);
        for last in 1..5 {
            drop(guests.admit(peer(last), Instant::now()).await.unwrap());
        }
        assert!(guests.table().by_peer.is_empty());
    }

    #[test]
    fn a_network_is_one_peer() {
        let grouped = |text: &str| group(text.parse().unwrap()).to_string();
        assert_eq!(grouped("192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
