//! A reachable Redis that rejects commands: the shim answers 503 and recovers without a restart.

use harness::stack::{Server, redis as stack_redis};
use redis::{Client, Connection, RedisResult};
use tempfile::TempDir;
use tests::shim::{
    Api, charge, counter, only_charge, request, sliding, start_ready, start_redis, wait_for,
};

const LIMIT: u64 = 100;
/// At 1 ms per key, loading takes longer than any test.
const KEYS: u32 = 60_000;

fn one() -> Vec<limits::wire::Request> {
    vec![request([charge(counter("a", "b"), sliding(LIMIT, 3_600_000))])]
}

fn connect(server: &Server) -> RedisResult<Connection> {
    Client::open(stack_redis::url(server)).expect("a URL").get_connection()
}

fn run(connection: &mut Connection, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).exec(connection).expect("a command");
}

/// Asserts that calls fail, the shim is unhealthy, and its log names `code`.
fn check_refused(api: &mut Api, shim: &Server, code: &str) {
    let reply = wait_for("a call to fail", || api.try_decide(one()).err());
    assert_eq!(reply.status, 503, "{}", reply.as_text());
    let health = shim.get("/healthz").expect("an answer");
    assert_eq!(health.status, 503, "{}", health.body);
    wait_for("the log to name the cause", || {
        let log = std::fs::read_to_string(shim.log()).expect("a log");
        log.contains(code).then_some(())
    });
}

#[test]
fn a_loading_redis_is_503_and_keeps_its_counts() {
    let dir = TempDir::new().expect("a directory");
    // Without the second setting, Redis answers nothing until 2 MB are loaded.
    let slowly = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    let mut server = start_redis(dir.path(), &slowly);
    let shim = start_ready(dir.path(), &stack_redis::url(&server));
    let mut api = Api::connect(shim.addr());
    assert_eq!(only_charge(&api.decide(one()).decisions[0]).remaining, LIMIT - 1);
    let mut fill = redis::pipe();
    (0..KEYS).for_each(|key| {
        fill.set(key, "x").ignore();
    });
    let mut connection = connect(&server).expect("Redis answers");
    fill.exec(&mut connection).expect("keys");
    run(&mut connection, &["SAVE"]);
    server.restart().expect("Redis restarts");
    let mut connection = wait_for("Redis to listen", || connect(&server).ok());
    let loads = redis::cmd("PING").exec(&mut connection).expect_err("Redis is loading");
    assert_eq!(loads.code(), Some("LOADING"));
    check_refused(&mut api, &shim, "loading");
    run(&mut connection, &["CONFIG", "SET", "key-load-delay", "0"]);
    let reply = wait_for("the shim to recover", || api.try_decide(one()).ok());
    assert_eq!(only_charge(&reply.decisions[0]).remaining, LIMIT - 2, "saved charges still count");
}

#[test]
fn a_redis_that_cannot_save_is_503_until_it_recovers() {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &["--stop-writes-on-bgsave-error", "yes"]);
    let shim = start_ready(dir.path(), &stack_redis::url(&server));
    let mut api = Api::connect(shim.addr());
    assert!(api.try_decide(one()).is_ok());
    let mut connection = connect(&server).expect("Redis answers");
    run(&mut connection, &["CONFIG", "SET", "save", "3600 1"]);
    let mut save = |expected: &str| {
        run(&mut connection, &["BGSAVE"]);
        wait_for("the save to end", || {
            let info: String =
                redis::cmd("INFO").arg("persistence").query(&mut connection).expect("text");
            let ended = info.contains("rdb_bgsave_in_progress:0");
            (ended && info.contains(&format!("rdb_last_bgsave_status:{expected}"))).then_some(())
        });
    };
    // A directory with the file's name: not even root can write the file.
    let dump = dir.path().join("dump.rdb");
    std::fs::create_dir(&dump).expect("a directory");
    save("err");
    check_refused(&mut api, &shim, "MISCONF");
    std::fs::remove_dir(&dump).expect("an empty directory");
    save("ok");
    wait_for("the shim to recover", || api.try_decide(one()).ok());
    let health = shim.get("/healthz").expect("an answer");
    assert_eq!(health.status, 200, "{}", health.body);
}
