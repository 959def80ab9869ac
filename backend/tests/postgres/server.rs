//! The backend with a PostgreSQL that stops, restarts, or never runs.

use crate::backend::{Backend, command};
use crate::client::Reply;
use crate::database::Database;
use harness::stack::postgres::Postgres;
use serde_json::json;
use std::thread;
use tempfile::TempDir;

/// Starts a server for one test, which can stop and restart it.
pub(crate) fn server() -> (Postgres, TempDir) {
    let dir = TempDir::new().unwrap();
    (Postgres::start(dir.path()).unwrap(), dir)
}

#[test]
fn processes_started_together_migrate_a_new_database_once() {
    for _ in 0..3 {
        let database = Database::new();
        let launched: Vec<_> = (0..6).map(|_| Backend::launch(&database.url(), &[])).collect();
        let backends: Vec<_> = launched.into_iter().map(|one| one.listening()).collect();
        let applied =
            backends[0].texts("SELECT description FROM _sqlx_migrations ORDER BY version");
        assert_eq!(
            applied,
            [
                "users",
                "signing keys",
                "sessions",
                "key rotation",
                "resumes",
                "user secrets",
                "password tries"
            ]
        );
        assert_eq!(backends[0].texts("SELECT seed FROM signing_keys").len(), 1);
        let token = backends[0].user("ada@example.org").access;
        assert!(backends.iter().all(|backend| backend.me(&token).status == 200));
    }
}

#[test]
fn a_restart_causes_no_500_and_loses_no_data() {
    let (mut postgres, _dir) = server();
    let backend = Backend::start_on(&postgres.url("postgres"), &[]);
    let user = backend.user("ada@example.org");
    let path = user.resume(&json!({"basics": {"name": "Ada"}}));

    postgres.kill();
    let replies: Vec<Reply> = thread::scope(|scope| {
        let requests = ["/api/me", &path, "/api/resumes", "/api/subscription"];
        let threads = requests.map(|path| {
            let user = &user;
            scope.spawn(move || user.get(path))
        });
        threads.map(|thread| thread.join().unwrap()).into()
    });
    for reply in replies {
        insta::allow_duplicates! {
            insta::assert_snapshot!(reply.show(&[]), @r#"
            503 Service Unavailable
            content-type: application/problem+json
            cache-control: no-store
            retry-after: 1

            {
              "detail": "The service is temporarily unavailable. Try again.",
              "status": 503,
              "title": "Service Unavailable",
              "type": "about:blank"
            }
            "#);
        }
    }
    assert_eq!(
        backend.get("/.well-known/jwks.json").status,
        200,
        "routes without the database still work"
    );

    backend.wait_until("it is noticed", || backend.get("/health").json()["database"] == "down");
    assert_eq!(backend.get("/health").json()["status"], "down");
    assert_eq!(backend.get("/health/live").status, 200);
    insta::assert_snapshot!(backend.get("/health/ready").show(&[]), @r#"
    503 Service Unavailable
    content-type: application/json
    cache-control: no-store

    {
      "status": "down"
    }
    "#);

    postgres.restart().unwrap();
    postgres.wait_ready().unwrap();
    backend.wait_until("the database is back", || user.me().status == 200);
    assert_eq!(user.get(&path).json()["resume"]["basics"]["name"], "Ada");
    user.resume(&json!({}));
    backend.wait_until("it is ready", || backend.get("/health/ready").status == 200);
}

#[test]
fn an_unreachable_server_is_one_sentence_without_the_password() {
    let url = "postgres://me:secret@127.0.0.1:1/resumes";
    let vars = [("LISTEN_ADDR", "127.0.0.1:0"), ("DATABASE_URL", url)];
    let output = command(&vars).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr
            .starts_with("DATABASE_URL: cannot use postgres://127.0.0.1:1/resumes as a database: "),
        "{stderr}"
    );
    assert!(!stderr.contains("secret"), "{stderr}");
}

#[test]
fn more_concurrent_requests_than_connections_are_all_served() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(user.me().status, 200);
                }
            });
        }
    });
}
