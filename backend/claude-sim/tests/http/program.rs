//! The built program: start, flags and shutdown.

use super::client::{PATIENCE, Reply, client, request};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

struct Program {
    child: Child,
    address: String,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claude-sim"));
    command.env_clear().stdin(Stdio::null());
    command
}

impl Program {
    /// Starts the program and waits until it logs its address.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("listening address=").map(|(_, address)| address.trim().to_owned())
        });
        // Drain the rest, so that the program never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }

    fn post(&self) -> reqwest::RequestBuilder {
        client()
            .post(format!("http://{}/v1/messages", self.address))
            .header("x-api-key", "key")
            .header("anthropic-version", "2023-06-01")
            .json(&request())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped_before = self.child.wait();
    }
}

#[tokio::test]
async fn it_logs_its_address_serves_and_stops_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start(command().env("CLAUDE_SIM_LISTEN", "127.0.0.1:0"));
        assert_eq!(Reply::of(program.post()).await.status, 200);
        assert!(program.end(signal).success());
    }
}

#[tokio::test]
async fn it_stops_even_if_a_request_hangs() {
    let mut program = Program::start(command().args(["--listen", "127.0.0.1:0"]));
    let faults = format!("http://{}/sim/faults", program.address);
    let hang = serde_json::json!({ "hang": true });
    client().post(faults).json(&hang).send().await.unwrap();
    let request = program.post();
    let hanging = tokio::spawn(async move { request.send().await.unwrap_err() });
    while seen(&program).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = tokio::task::spawn_blocking(move || program.end(Signal::TERM));
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap();
    assert!(ended.success());
    // The server closed the connection; the client did not time out.
    assert!(!hanging.await.unwrap().is_timeout());
}

async fn seen(program: &Program) -> u64 {
    let requests = format!("http://{}/sim/requests", program.address);
    let seen: serde_json::Value =
        client().get(requests).send().await.unwrap().json().await.unwrap();
    seen["count"].as_u64().unwrap()
}

#[tokio::test]
async fn answers_are_delayed_by_the_latency() {
    let program =
        Program::start(command().args(["--listen", "127.0.0.1:0", "--latency-ms", "400"]));
    let mut answer = tokio::spawn(Reply::of(program.post()));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err());
    assert_eq!(answer.await.unwrap().status, 200);
}

#[test]
fn the_health_check_passes_while_it_runs() {
    let mut program = Program::start(command().args(["--listen", "127.0.0.1:0"]));
    let address = program.address.clone();
    let check = || command().args(["healthcheck", "--listen", &address]).output().unwrap();
    assert!(check().status.success());
    assert!(program.end(Signal::TERM).success());
    let failed = check();
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr_of(&failed).starts_with(&format!("GET http://{address}/sim/health: ")));
}

#[test]
fn a_port_in_use_and_an_invalid_variable_are_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command().args(["--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("--listen: cannot listen on {address}, choose another address");
    assert!(stderr_of(&output).starts_with(&expected), "{}", stderr_of(&output));

    let output = command().env("CLAUDE_SIM_LISTEN", "8090").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr_of(&output).contains("(or CLAUDE_SIM_LISTEN)"), "{}", stderr_of(&output));
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
