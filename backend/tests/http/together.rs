//! Several processes on one database, and one process after another.

use super::backend::Backend;
use tempfile::TempDir;

#[test]
fn processes_that_start_together_on_a_new_database_share_one_key() {
    // A race: several rounds, each on a new database.
    for _ in 0..5 {
        let dir = TempDir::new().unwrap();
        let launched: Vec<_> = (0..4).map(|_| Backend::launch(dir.path(), &[])).collect();
        let backends: Vec<_> = launched.into_iter().map(|launched| launched.listening()).collect();
        let keys: Vec<_> =
            backends.iter().map(|backend| backend.get("/.well-known/jwks.json").json()).collect();
        assert_eq!(keys[0]["keys"].as_array().unwrap().len(), 1);
        assert!(keys.iter().all(|other| *other == keys[0]), "{keys:?}");
    }
}

#[test]
fn what_one_process_issues_another_accepts() {
    let dir = TempDir::new().unwrap();
    let [one, other] = [(), ()].map(|()| Backend::start_on(dir.path(), &[]));
    let token = one.token_of_new_user("ada@example.org");
    assert_eq!(other.me(&token).status, 200);
    let again = other.post_credentials("/api/auth/signup", "ada@example.org", "12345678");
    assert_eq!(again.status, 409);
}

#[test]
fn users_and_their_tokens_survive_a_restart() {
    let dir = TempDir::new().unwrap();
    let before = Backend::start_on(dir.path(), &[]);
    let token = before.token_of_new_user("ada@example.org");
    let me = before.me(&token).json();
    before.stop();
    let after = Backend::start_on(dir.path(), &[]);
    assert_eq!(after.me(&token).json(), me);
    after.token("ada@example.org", "12345678");
}

#[test]
fn users_survive_a_crash() {
    let dir = TempDir::new().unwrap();
    let before = Backend::start_on(dir.path(), &[]);
    let token = before.token_of_new_user("ada@example.org");
    drop(before); // SIGKILL
    let after = Backend::start_on(dir.path(), &[]);
    assert_eq!(after.me(&token).status, 200);
}
