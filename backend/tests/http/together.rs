//! Several processes on one database, at once and one after another.

use super::backend::Backend;
use super::database::Database;
use super::user::PASSWORD;

#[test]
fn processes_started_together_on_a_new_database_share_one_key() {
    // The outcome depends on timing, so try several times.
    for _ in 0..5 {
        let database = Database::new();
        let launched: Vec<_> = (0..4).map(|_| Backend::launch(&database.url(), &[])).collect();
        let backends: Vec<_> = launched.into_iter().map(|launched| launched.listening()).collect();
        let keys: Vec<_> =
            backends.iter().map(|backend| backend.get("/.well-known/jwks.json").json()).collect();
        assert_eq!(keys[0]["keys"].as_array().unwrap().len(), 1);
        assert!(keys.iter().all(|other| *other == keys[0]), "{keys:?}");
    }
}

#[test]
fn a_token_of_one_process_is_accepted_by_another() {
    let database = Database::new();
    let [one, other] = [(), ()].map(|()| Backend::start_on(&database.url(), &[]));
    let token = one.user("ada@example.org").access;
    assert_eq!(other.me(&token).status, 200);
    let again = other.post_credentials("/api/auth/signup", "ada@example.org", "12345678");
    assert_eq!(again.status, 409);
}

#[test]
fn users_and_their_tokens_survive_a_restart() {
    let database = Database::new();
    let before = Backend::start_on(&database.url(), &[]);
    let token = before.user("ada@example.org").access;
    let me = before.me(&token).json();
    before.stop();
    let after = Backend::start_on(&database.url(), &[]);
    assert_eq!(after.me(&token).json(), me);
    after.log_in("ada@example.org", PASSWORD);
}

#[test]
fn users_survive_a_crash() {
    let database = Database::new();
    let before = Backend::start_on(&database.url(), &[]);
    let token = before.user("ada@example.org").access;
    drop(before); // SIGKILL
    let after = Backend::start_on(&database.url(), &[]);
    assert_eq!(after.me(&token).status, 200);
}
