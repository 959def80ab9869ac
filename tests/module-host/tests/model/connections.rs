//! Connections through the hooks of the network filter.

use super::envoy::{alone, lock};
use module_host::assert_nothing_is_left;
use module_host::network::{Connection, NetworkFilter};
use std::sync::Arc;

const CLIENT: Option<&str> = Some("192.0.2.1");
const TOO_MANY: &str = "tollgate_too_many_connections";

fn limit(name: &str, max: u32) -> NetworkFilter {
    let text = format!("{{ \"max_per_address\": {max} }}");
    NetworkFilter::configure(name, text.as_bytes()).expect("a valid configuration")
}

/// Opens a connection. Returns `None` if the module closed it.
fn open(filter: &NetworkFilter, address: Option<&str>) -> Option<Connection> {
    let connection = Connection::open(filter, address);
    match connection.closed() {
        None => Some(connection),
        Some(details) => {
            assert_eq!(details, TOO_MANY);
            connection.end();
            None
        }
    }
}

#[test]
fn a_client_has_its_limit_at_all_workers_together() {
    let _alone = lock();
    let run = || {
        let filter = Arc::new(limit("a", 3));
        let work = |filter: Arc<NetworkFilter>| {
            let open: Vec<_> = (0..2).filter_map(|_| open(&filter, CLIENT)).collect();
            assert!(!open.is_empty(), "the other worker has two connections at most");
            let count = open.len();
            open.into_iter().for_each(Connection::end);
            count
        };
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let filter = Arc::clone(&filter);
                shuttle::thread::spawn(move || work(filter))
            })
            .collect();
        let opened: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        assert_eq!(filter.counted(), 4 - opened as u64, "the others are counted as refused");
        // Nothing is open any more.
        let all: Vec<_> = (0..5).filter_map(|_| open(&filter, CLIENT)).collect();
        assert_eq!(all.len(), 3);
        all.into_iter().for_each(Connection::end);
        Arc::into_inner(filter).unwrap().destroy();
        assert_nothing_is_left();
    };
    shuttle::check_random(run, 200);
}

#[test]
fn clients_have_limits_of_their_own_and_sockets_none() {
    alone(|| {
        let filter = limit("a", 1);
        let clients = [CLIENT, Some("192.0.2.2"), Some("2001:db8::1"), None, None];
        let connections: Vec<_> = clients.map(|client| open(&filter, client).unwrap()).into();
        assert!(open(&filter, Some("2001:db8::2")).is_none(), "the same network");
        connections.into_iter().for_each(Connection::end);
        filter.destroy();
        assert_nothing_is_left();
    });
}

#[test]
fn a_changed_listener_counts_on() {
    alone(|| {
        let old = limit("a", 2);
        let connections = [(); 2].map(|()| open(&old, CLIENT).unwrap());
        let other = limit("b", 2);
        let apart = open(&other, CLIENT).expect("filters of another name count apart");
        let new = limit("a", 3);
        old.destroy();
        let third = open(&new, CLIENT).unwrap();
        assert!(open(&new, CLIENT).is_none());
        connections.into_iter().for_each(Connection::end);
        let freed = open(&new, CLIENT).expect("the old connections have ended");
        [apart, third, freed].into_iter().for_each(Connection::end);
        [other, new].into_iter().for_each(NetworkFilter::destroy);
        assert_nothing_is_left();
    });
}

#[test]
fn an_invalid_limit_is_refused() {
    alone(|| {
        for (text, expected) in [
            ("", "expected JSON with `max_per_address`"),
            ("{}", "missing field `max_per_address`"),
            ("{\"max_per_address\":0}", "max_per_address"),
        ] {
            assert!(NetworkFilter::configure("a", text.as_bytes()).is_none(), "{text}");
            let log = module_host::take_log().join("\n");
            assert!(log.contains("the connection limit is refused"), "{log}");
            assert!(log.contains(expected), "{log}");
        }
        assert_nothing_is_left();
    });
}
