//! PostgreSQL restarts while clients read, write and call AI routes: no 500s, and no acknowledged
//! write is lost or partial.

use crate::ai::{ROUTES, ada, question};
use crate::backend::Backend;
use crate::claude::Claude;
use crate::client::Reply;
use crate::server::server;
use crate::user::User;
use harness::stack::postgres::Postgres;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const RESUMES: &str = "/api/resumes";
/// The number of successful requests of each client between two outages.
const SERVED: usize = 3;
/// The timeout of a graceful stop, which waits for the backend's connections to close.
const GRACE: Duration = Duration::from_secs(2);

/// A client that counts its successful requests.
struct Client<'a> {
    user: &'a User<'a>,
    ended: &'a AtomicBool,
    served: AtomicUsize,
}

/// The state of a résumé as its owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    version: u64,
    label: String,
}

/// Returns a document with the label in two places, so that a partial write would show.
fn labelled(label: &str) -> Value {
    json!({"basics": {"name": "Ada", "label": label}, "skills": [{"name": label}]})
}

impl Known {
    fn of(stored: &Value) -> Self {
        let label = stored["resume"]["basics"]["label"].as_str().unwrap().to_owned();
        assert_eq!(stored["resume"], labelled(&label));
        Self { version: stored["version"].as_u64().unwrap(), label }
    }
}

impl Client<'_> {
    fn is_running(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    /// Returns true if the request succeeded. Otherwise checks that the reply is a 503 with
    /// `Retry-After`.
    fn is_served(&self, reply: &Reply, status: u16) -> bool {
        if reply.status == 503 {
            assert_eq!(reply.header("retry-after"), Some("1"), "{}", reply.show(&[]));
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            return false;
        }
        assert_eq!(reply.status, status, "{}", reply.show(&[]));
        self.served.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn read(&self, path: &str) -> Option<Known> {
        let reply = self.user.get(path);
        self.is_served(&reply, 200).then(|| Known::of(&reply.json()))
    }

    /// Replaces one résumé repeatedly and checks its writes. A write without a response may or may
    /// not have happened. Returns the last certain state, and a possible later one.
    fn replace_repeatedly(&self, path: &str) -> (Known, Option<Known>) {
        let mut sure = self.read(path).unwrap();
        let mut unsure = None;
        for number in 1.. {
            if !self.is_running() {
                break;
            }
            let next = Known { version: sure.version + 1, label: format!("number {number}") };
            let version = format!("\"{}\"", sure.version);
            let reply = self.user.replace(path, &version, &labelled(&next.label));
            let was_made = reply.status != 412 && self.is_served(&reply, 200);
            assert!(reply.status != 412 || unsure.is_some(), "nobody else writes");
            if was_made {
                (sure, unsure) = (next, None);
            } else if reply.status == 503 {
                unsure = unsure.or(Some(next));
            }
            if let Some(found) = self.read(path) {
                assert!(found == sure || Some(&found) == unsure.as_ref(), "{found:?} {sure:?}");
                (sure, unsure) = (found, None);
            }
        }
        (sure, unsure)
    }

    /// Creates résumés and deletes each once there is another. Returns those that certainly exist,
    /// and the paths of those certainly deleted.
    fn create_and_delete_repeatedly(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let (mut made, mut gone) = (BTreeMap::new(), Vec::new());
        for number in 0.. {
            if !self.is_running() {
                break;
            }
            let label = format!("made {number}");
            let reply = self.user.send("POST", RESUMES, &labelled(&label));
            if !self.is_served(&reply, 201) {
                continue;
            }
            made.insert(reply.header("location").unwrap().to_owned(), label);
            if made.len() > 1
                && let Some((path, _)) = made.pop_first()
            {
                let reply = self.user.request("DELETE", &path).send();
                if self.is_served(&reply, 204) {
                    gone.push(path);
                }
            }
        }
        (made, gone)
    }

    /// Asks about the résumé repeatedly, bypassing the cache every other time.
    fn ask_repeatedly(&self, route: &str, id: &str) {
        let body = json!({"resume_id": id, "job_description": "Rust"});
        for control in ["no-cache", ""].iter().cycle() {
            if !self.is_running() {
                break;
            }
            let request = self.user.request("POST", route).header("Cache-Control", control);
            let reply = request.json(body.to_string()).send();
            if self.is_served(&reply, 200) {
                let answer = reply.json();
                assert_eq!(answer["resume"]["id"], id);
                assert_ne!(answer["status"], "degraded", "Claude works");
            }
        }
    }

    fn read_repeatedly(&self, path: &str) {
        while self.is_running() {
            let reply = self.user.get(path);
            self.is_served(&reply, 200);
        }
    }
}

/// Starts the server again. Leftovers of a killed one can prevent that for a moment.
fn start_again(postgres: &mut Postgres) {
    let is_ready = (0..5).any(|_| {
        postgres.restart().unwrap();
        postgres.wait_ready().is_ok()
    });
    assert!(is_ready, "PostgreSQL should start again");
}

fn database_is(backend: &Backend, state: &str) {
    backend.wait_until(state, || backend.get("/health").json()["database"] == state);
}

#[test]
fn a_restart_under_load_causes_no_500_and_loses_no_acknowledged_write() {
    let (mut postgres, _dir) = server();
    let claude = Claude::start();
    let backend = claude.backend_on(&postgres.url("postgres"), &[]);
    let user = backend.user("ada@example.org");
    let path = user.resume(&labelled("first"));
    let asked_path = user.resume(&ada());
    let id = asked_path.rsplit('/').next().unwrap();
    let ended = AtomicBool::new(false);
    let clients: [Client<'_>; 8] =
        std::array::from_fn(|_| Client { user: &user, ended: &ended, served: AtomicUsize::new(0) });
    let [replacing, making, asking @ ..] = &clients;
    let [scores, letters, me, list, plan, resume] = asking;
    thread::scope(|scope| {
        let replaced = scope.spawn(|| replacing.replace_repeatedly(&path));
        let made = scope.spawn(|| making.create_and_delete_repeatedly());
        let mut others = vec![
            scope.spawn(|| scores.ask_repeatedly(ROUTES[0], id)),
            scope.spawn(|| letters.ask_repeatedly(ROUTES[3], id)),
        ];
        for (client, path) in
            [(me, "/api/me"), (list, RESUMES), (plan, "/api/subscription"), (resume, &*asked_path)]
        {
            others.push(scope.spawn(move || client.read_repeatedly(path)));
        }
        let all_are_served = || {
            for client in &clients {
                let before = client.served.load(Ordering::Relaxed);
                backend.wait_until("every client is served", || {
                    client.served.load(Ordering::Relaxed) >= before + SERVED
                });
            }
        };
        let outages: [fn(&mut Postgres); 2] =
            [|postgres| postgres.kill(), |postgres| assert!(postgres.stop(GRACE).is_ok())];
        for outage in outages {
            all_are_served();
            outage(&mut postgres);
            database_is(&backend, "down");
            assert_eq!(backend.get("/health/live").status, 200);
            start_again(&mut postgres);
            database_is(&backend, "up");
            all_are_served();
        }
        ended.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
        let ((sure, unsure), (made, gone)) = (replaced.join().unwrap(), made.join().unwrap());
        let found = Known::of(&user.get(&path).json());
        assert!(found == sure || Some(&found) == unsure.as_ref(), "{found:?} {sure:?} {unsure:?}");
        for (path, label) in made {
            assert_eq!(Known::of(&user.get(&path).json()), Known { version: 1, label });
        }
        assert!(!gone.is_empty());
        assert!(gone.iter().all(|path| user.get(path).status == 404));
    });
    check_all_are_whole(&user, &asked_path);
    let again = user.ask(ROUTES[3], &question(&ada()));
    assert_eq!((again.status, again.header("x-cache")), (200, Some("MISS")));
}

/// Checks that unacknowledged writes are complete too.
fn check_all_are_whole(user: &User<'_>, asked_path: &str) {
    for item in user.get(&format!("{RESUMES}?limit=100")).json()["items"].as_array().unwrap() {
        let path = format!("{RESUMES}/{}", item["id"].as_str().unwrap());
        let stored = user.get(&path).json();
        if path == asked_path {
            assert_eq!(stored["resume"], ada());
        } else {
            Known::of(&stored);
        }
    }
}
