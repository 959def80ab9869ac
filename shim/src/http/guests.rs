//! The connections of one port, and which one is closed when a new one needs its place.
//!
//! If the port is full, a connection of the peer that has the most is closed. Its connections
//! without a request in progress go first: those that never sent a request before the others, and
//! among equals the one that has been quiet longest. So a peer that hoards connections loses its
//! own, and other peers never wait.
//!
//! Used by [`super::server`]; [`super::answer`] records unread responses.

use axum::http::Extensions;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The time without activity after which even a connection with a request in progress can be
/// closed for another.
const STUCK: Duration = Duration::from_secs(2);

/// The connections of one port. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    most: usize,
    table: Arc<Mutex<Table>>,
    /// Notified when a place becomes free.
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    guests: HashMap<u64, Arc<Guest>>,
    by_peer: HashMap<IpAddr, usize>,
    /// The connection that has been asked to close, while it is still open.
    leaving: Option<u64>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    peer: IpAddr,
    number: u64,
    /// Requests in progress.
    requests: AtomicUsize,
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Debug)]
struct State {
    active: Instant,
    /// True once the client has sent a request.
    has_asked: bool,
    /// The start time of each response that the client has not read in full.
    unread: HashMap<u64, Instant>,
    last: u64,
}

/// A connection's place. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    guest: Arc<Guest>,
    guests: Guests,
}

/// A request in progress on a connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct ActiveRequest(Arc<Guest>);

/// A request that nobody is working on yet, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Guest>);

/// A response that the client has not read in full, until this is dropped.
#[derive(Debug)]
pub(super) struct Unread {
    guest: Arc<Guest>,
    number: u64,
}

impl Guests {
    /// Creates a table for `most` connections, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), table: Arc::default(), freed: Arc::default() }
    }

    /// Admits a connection of `peer`. If the port is full, closes another one first and waits until
    /// it is gone. Returns `None` if no connection can be closed. Call this from one task only.
    pub(super) async fn admit(&self, peer: IpAddr, now: Instant) -> Option<Place> {
        while self.is_full(now)? {
            self.freed.notified().await;
        }
        let peer = group(peer);
        let mut table = self.table();
        table.last += 1;
        let state = State { active: now, has_asked: false, unread: HashMap::new(), last: 0 };
        let guest = Arc::new(Guest {
            peer,
            number: table.last,
            requests: AtomicUsize::new(0),
            state: Mutex::new(state),
            leave: Notify::new(),
        });
        table.guests.insert(guest.number, Arc::clone(&guest));
        *table.by_peer.entry(peer).or_default() += 1;
        Some(Place { guest, guests: self.clone() })
    }

    /// Returns true if the port is full, after asking a connection to close. Returns `None` if no
    /// connection can be closed.
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
    /// Returns the connection to close first, as the module describes, or `None` if all candidates
    /// have requests in progress and are not stuck.
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
    /// Returns the peer: an IPv4 address or a /64 IPv6 network.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Resolves when the connection must close to make room for another.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Records that a request is in progress until the result is dropped.
    pub(super) fn ask(self: &Arc<Self>, now: Instant) -> ActiveRequest {
        let mut state = self.state();
        (state.active, state.has_asked) = (now, true);
        drop(state);
        self.requests.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// Records that nobody is working on a request until the result is dropped. The request does
    /// not count as in progress meanwhile.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.requests.fetch_sub(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Records that the client has a response to read until the result is dropped.
    pub(super) fn answer(self: &Arc<Self>, now: Instant) -> Unread {
        let mut state = self.state();
        state.active = now;
        state.last += 1;
        let number = state.last;
        state.unread.insert(number, now);
        Unread { guest: Arc::clone(self), number }
    }

    /// Returns the start time of the oldest response that the client has not read in full.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        self.state().unread.values().min().copied()
    }

    fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Returns true if the client has ever sent a request, and the time of the last activity.
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

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.guest.state().unread.remove(&self.number);
    }
}

/// Returns the peer that an address belongs to. IPv6 addresses are grouped by /64, since a single
/// client usually has a whole one.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// Returns the peer that sent a request, from the [`Guest`] that [`super::server`] attached to it.
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

    /// Admits a connection that closes when asked to.
    async fn admit(guests: &Guests, last: u8, now: Instant) -> Option<Arc<Guest>> {
        let place = guests.admit(peer(last), now).await?;
        let guest = Arc::clone(place.guest());
        tokio::spawn(async move {
            place.guest().asked_to_leave().await;
            drop(place);
        });
        Some(guest)
    }

    #[tokio::test(start_paused = true)]
    async fn the_greediest_peers_quietest_connection_is_closed_first() {
        let guests = Guests::new(5);
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let has_asked = admit(&guests, 1, at(0)).await.unwrap();
        drop(has_asked.ask(at(0)));
        let asked = admit(&guests, 1, at(1)).await.unwrap();
        let _request = asked.ask(at(1));
        admit(&guests, 1, at(2)).await.unwrap();
        admit(&guests, 1, at(3)).await.unwrap();
        admit(&guests, 2, at(0)).await.unwrap();
        assert_eq!(numbers(&guests), [1, 2, 3, 4, 5]);
        for (newcomer, expected) in [
            (3, [1, 2, 4, 5, 6]), // closes the older of the two that never sent a request
            (1, [1, 2, 5, 6, 7]), // closes one of the newcomer's own peer
            (4, [1, 2, 5, 6, 8]),
            (5, [2, 5, 6, 8, 9]), // both of peer 1's have sent a request: closes the idle one
        ] {
            admit(&guests, newcomer, at(10)).await.unwrap();
            assert_eq!(numbers(&guests), expected, "for peer {newcomer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_in_progress_stays_unless_it_is_stuck() {
        let guests = Guests::new(1);
        let now = Instant::now();
        let guest = admit(&guests, 1, now).await.unwrap();
        let _request = guest.ask(now);
        assert!(admit(&guests, 2, now).await.is_none());
        let waiting = guest.wait();
        assert_eq!(admit(&guests, 2, now).await.unwrap().peer(), peer(2));
        drop(waiting);
        let second = guests.table().guests.values().next().cloned().unwrap();
        let _request = second.ask(now);
        assert!(admit(&guests, 3, now + STUCK).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_place_is_free_again() {
        let guests = Guests::new(1);
        for last in 1..5 {
            drop(guests.admit(peer(last), Instant::now()).await.unwrap());
        }
        assert!(guests.table().by_peer.is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let grouped = |text: &str| group(text.parse().unwrap()).to_string();
        assert_eq!(grouped("192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
