//! Redis with a restricted user, and Redis behind TLS.

use harness::stack::{Port, Server, redis};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tests::shim::{
    Api, TOKEN, charge, charge_more, counter, give_back, only_charge, request, settle, sliding,
    start_ready, start_redis, start_shim, wait_for,
};

/// The permissions that the shim's user needs outside a Cluster.
const RIGHTS: &str = "~tg:* +ping +evalsha +eval +script|load +time +get +mget +set +unlink \
                      +del +hget +hgetall +hset +hdel +hlen +hexists";

/// Starts a Redis with a user `shim` that has these permissions. Returns the user's URL and an
/// unrestricted connection.
fn server_with_user(dir: &Path, rights: &str) -> (Server, String, ::redis::Connection) {
    let server = start_redis(dir, &[]);
    let client = ::redis::Client::open(redis::url(&server)).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let mut user = ::redis::cmd("ACL");
    user.arg("SETUSER").arg("shim").arg("on").arg(">s3cret/pass").arg("resetchannels");
    user.arg(rights.split_whitespace().collect::<Vec<_>>());
    user.exec(&mut connection).expect("a user");
    let url = format!("redis://shim:s3cret%2Fpass@{}", server.addr());
    (server, url, connection)
}

#[test]
fn the_listed_permissions_are_enough() {
    let dir = TempDir::new().expect("a directory");
    let (_server, url, _) = server_with_user(dir.path(), RIGHTS);
    let mut shim = start_shim(dir.path(), &url, &[]);
    shim.wait_ready().expect("the shim becomes ready");
    let mut api = Api::connect(shim.addr());
    let one = charge(counter("a", "b"), sliding(10, 60_000));
    let decision = api.decide_one(request([one.clone()]));
    assert_eq!(only_charge(&decision).remaining, 9);
    let other = charge(counter("a", "other"), sliding(10, 60_000));
    assert!(
        api.decide_one(request([other.clone(), charge(counter("a", "third"), other.quota)]))
            .admitted
    );
    let settles = [("s-1", give_back(1), 10), ("s-2", charge_more(4), 6)];
    for (id, amount, left) in settles {
        let settled = api.settle(vec![settle(id, &decision.id, &one, amount)]);
        assert_eq!(settled.settled[0].remaining, [left]);
    }
    let admin = tests::client::Client::of(shim.admin_addr().expect("an admin port"));
    let name = serde_json::json!(one.counter);
    for (path, body) in [
        ("/v1/overrides/set", serde_json::json!({ "counter": name, "override": { "limit": 5 } })),
        ("/v1/overrides/remove", serde_json::json!({ "counter": name })),
        ("/v1/counters/show", serde_json::json!({ "counter": name, "quota": one.quota })),
        ("/v1/counters/reset", serde_json::json!({ "counter": name })),
    ] {
        let reply = admin.post(path, &body, Some(TOKEN));
        assert_eq!(reply.status, 200, "{path}: {}", reply.as_text());
    }
    let log = std::fs::read_to_string(shim.log()).expect("a log");
    assert!(!log.contains("refuses to serve") && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_missing_permission_is_logged_and_damages_no_counter() {
    let dir = TempDir::new().expect("a directory");
    let (server, url, mut redis) = server_with_user(dir.path(), RIGHTS);
    let one = || vec![request([charge(counter("a", "b"), sliding(10, 60_000))])];
    let (unrestricted, restricted) = (redis::url(&server), url);
    let shims = [unrestricted, restricted].map(|url| start_ready(dir.path(), &url));
    let mut permit = |rule: &str| {
        ::redis::cmd("ACL").arg(&["SETUSER", "shim", rule]).exec(&mut redis).expect("a rule");
    };
    permit("-get");
    let [mut able, mut unable] = shims.each_ref().map(|shim| Api::connect(shim.addr()));
    assert_eq!(only_charge(&able.decide(one()).decisions[0]).remaining, 9);
    assert_eq!(unable.try_decide(one()).expect_err("no permission to read").status, 503);
    let health = shims.each_ref().map(|shim| shim.get("/healthz").expect("an answer").status);
    assert_eq!(health, [200, 503]);
    assert_eq!(only_charge(&able.decide(one()).decisions[0]).remaining, 8);
    // Once the permission is granted, the same connection works.
    permit("+get");
    assert_eq!(shims[1].get("/healthz").expect("an answer").status, 200);
    assert_eq!(only_charge(&unable.decide(one()).decisions[0]).remaining, 7);
    let log = std::fs::read_to_string(shims[1].log()).expect("a log");
    assert!(log.contains("refuses to serve") && !log.contains("damaged"), "{log}");
}

#[test]
fn a_wrong_password_is_reported_but_not_logged() {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &[]);
    let client = ::redis::Client::open(redis::url(&server)).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let mut require = ::redis::cmd("CONFIG");
    require.arg("SET").arg("requirepass").arg("the-right-one");
    require.exec(&mut connection).expect("a password");
    let shim = start_shim(dir.path(), &format!("redis://:a-wrong-one@{}", server.addr()), &[]);
    let log = || std::fs::read_to_string(shim.log()).expect("a log");
    wait_for("the login to fail", || log().contains("cannot be reached").then_some(()));
    assert!(!log().contains("a-wrong-one"), "{}", log());
    assert_eq!(shim.get("/healthz").expect("an answer").status, 503);
}

/// Creates a certificate authority and a server certificate for 127.0.0.1.
fn certificates(dir: &Path) {
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(dir).output();
        let output = output.expect("openssl, which is installed with Debian's ca-certificates");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let ca =
        ["req", "-x509", "-days", "2", "-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.pem"];
    run(&[&ca[..], &key].concat());
    let asked = ["req", "-subj", "/CN=redis", "-keyout", "redis.key", "-out", "redis.csr"];
    run(&[&asked[..], &key].concat());
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
    run(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "redis.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "redis.pem",
    ]);
}

#[test]
fn the_certificate_of_a_tls_redis_is_verified() {
    let dir = TempDir::new().expect("a directory");
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let tls = Port::free().expect("a free port");
    let args = [
        ("--tls-port", tls.number().to_string()),
        ("--tls-cert-file", file("redis.pem")),
        ("--tls-key-file", file("redis.key")),
        ("--tls-ca-cert-file", file("ca.pem")),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    // The pinned Valkey is built without TLS; Debian's Redis has it.
    let options = redis::Options {
        program: harness::setup::PinnedRedis::Redis7.program().expect("Debian's Redis"),
        port: Port::free().expect("a free port"),
        dir: dir.path(),
        args: args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
    };
    let _server = redis::start(options).expect("Redis starts");
    let url = format!("rediss://{}", tls.addr());
    let trusting = [("SSL_CERT_FILE", &*file("ca.pem"))];
    let mut shim = start_shim(dir.path(), &url, &trusting);
    shim.wait_ready().expect("the shim trusts that authority");
    let one = request([charge(counter("a", "b"), sliding(10, 60_000))]);
    assert!(Api::connect(shim.addr()).decide_one(one).admitted);
    // Without that authority, the certificate is rejected.
    let doubting = start_shim(dir.path(), &url, &[]);
    let log = || std::fs::read_to_string(doubting.log()).expect("a log");
    wait_for("the shim to reject the certificate", || {
        log().contains("cannot be reached").then_some(())
    });
    assert_eq!(doubting.get("/healthz").expect("an answer").status, 503);
}
