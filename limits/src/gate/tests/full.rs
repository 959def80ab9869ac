//! The shared table of `on_failure: local` when more payers come than it has places for.

use super::*;
use crate::explain::Request;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A gateway without its ledger.
struct Gateway {
    gate: Gate,
    process: Process,
}

impl Gateway {
    /// Starts a gateway with these buckets. Each path is charged to the buckets whose names begin
    /// with its last segment.
    fn new(buckets: serde_json::Value) -> Self {
        let names: Vec<&String> = buckets.as_object().unwrap().keys().collect();
        let rule = |path: &str| {
            let charge: Vec<_> = names.iter().filter(|name| name.starts_with(path)).collect();
            serde_json::json!({ "match": { "paths": [format!("/{path}")] }, "charge": charge })
        };
        let policy = serde_json::json!({
            "version": 1,
            "keys": {
                "client": { "client_ip": { "v6_prefix": 128 } },
                "account": { "header": "x-account", "otherwise": "client" },
            },
            "buckets": buckets,
            "rules": [rule("login"), rule("quota"), rule("account")],
        });
        let process = Process::default();
        prepare(&process);
        let mut gate = Gate::new(Policy::from_value(policy).unwrap());
        let path =
            names.first().map(|name| format!("/{}", name.trim_end_matches(char::is_numeric)));
        let path = path.unwrap().leak();
        for stream in 0..3 {
            arrive(&mut gate, stream, &FakeRequest { path, ..FakeRequest::get("/") });
            let call = one_call(&mut gate);
            gate.reply(NOW_US, call.id, call.kind, Reply::default(), &Process::default());
        }
        gate.take_samples();
        Self { gate, process }
    }

    /// Sends a request after `after_ms`. Returns its status; 200 if it passed.
    fn send_at(&mut self, after_ms: u64, path: &str, client: IpAddr, account: &str) -> u16 {
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            client: Some(client),
            headers: [("x-account".to_owned(), account.to_owned())].into(),
            ..Request::default()
        };
        let now_us = NOW_US + after_ms * 1_000;
        let released = released(self.gate.request(now_us, 9, &request, &self.process));
        self.gate.done(9);
        match released.unwrap() {
            Release::Pass(_) => 200,
            Release::Refuse(answer) => answer.status,
        }
    }

    fn login(&mut self, client: IpAddr) -> u16 {
        self.send_at(0, "/login", client, "")
    }
}

/// Returns eight buckets whose names begin with `name`.
fn eight(
    name: &str,
    bucket: &serde_json::Value,
) -> impl Iterator<Item = (String, serde_json::Value)> {
    (0..8).map(move |at| (format!("{name}{at}"), bucket.clone()))
}

/// Returns a client in a network of its own, unless there are more than 65,536.
fn elsewhere(at: u32) -> IpAddr {
    Ipv4Addr::from((0x2000_0000_u32.wrapping_add(at << 16)) | at >> 16).into()
}

/// Returns a client in one IPv6 /48.
fn attacker(at: u32) -> IpAddr {
    Ipv6Addr::from(0x2001_0db8_0bad_0000_0000_0000_0000_0000 + u128::from(at)).into()
}

#[test]
fn a_full_table_does_what_the_policy_says() {
    let bucket = |when_full: &str| {
        let on_failure = serde_json::json!({ "local": { "when_full": when_full } });
        serde_json::json!({ "key": "client", "limit": 5, "window": "10m", "on_failure": on_failure })
    };
    let mut gateway = Gateway::new(
        eight("login", &bucket("deny")).chain(eight("quota", &bucket("allow"))).collect(),
    );
    for client in 0..100 {
        let statuses: Vec<u16> = (0..6).map(|_| gateway.login(elsewhere(client))).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    }
    // 20,000 payers with eight counters each are more than the table has places for.
    let statuses: Vec<u16> = (100..20_000).map(|client| gateway.login(elsewhere(client))).collect();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count() + refused, 19_900);
    assert!((1_000..10_000).contains(&refused), "{refused}");
    let passing = |client| gateway.send_at(0, "/quota", elsewhere(client), "");
    let statuses: Vec<u16> = (20_000..22_000).map(passing).collect();
    assert_eq!(statuses.iter().find(|status| **status != 200), None);
    for client in 0..100 {
        assert_eq!(gateway.login(elsewhere(client)), 429, "client {client} is still limited");
    }
    let samples = gateway.gate.take_samples();
    let full = |name: &str, verdict: &str| -> i64 {
        let own = samples.iter().filter(|sample| {
            let found = gateway.gate.metric_name(sample.metric);
            found.contains(&format!("bucket={name}"))
                && found.ends_with(&format!("by=full.verdict={verdict}"))
        });
        own.map(|sample| sample.amount).sum()
    };
    assert_eq!(full("login", "denied"), i64::try_from(refused).unwrap());
    assert!(full("quota", "admitted") > 1_000, "passed uncounted");
}

/// Lets a network attack through `path`, which is charged to `buckets`. While it does, and although
/// its counters are more than the table has places for, other clients log in and stay limited.
fn assert_harmless(buckets: serde_json::Value, attack: impl IntoIterator<Item = (IpAddr, String)>) {
    let mut gateway = Gateway::new(buckets);
    let assert_logs_in_twice = |gateway: &mut Gateway, client: u32| {
        let statuses: Vec<u16> = (0..3).map(|_| gateway.login(elsewhere(client))).collect();
        assert_eq!(statuses, [200, 200, 429], "client {client}");
    };
    (0..500).for_each(|client| assert_logs_in_twice(&mut gateway, client));
    let mut refused = 0;
    for (client, account) in attack {
        match gateway.send_at(0, "/account", client, &account) {
            503 => refused += 1,
            status => assert_eq!(status, 200),
        }
    }
    assert!(refused > 1_000, "the table is full: {refused}");
    for client in 0..500 {
        assert_eq!(gateway.login(elsewhere(client)), 429, "client {client} is still limited");
    }
    (1_000..2_000).for_each(|client| assert_logs_in_twice(&mut gateway, client));
}

fn login_and(others: usize, key: &str) -> serde_json::Value {
    let bucket = |key: &str| serde_json::json!({ "key": key, "limit": 2, "window": "10m" });
    let account = |at| (format!("account{at}"), bucket(key));
    std::iter::once(("login".to_owned(), bucket("client")))
        .chain((0..others).map(account))
        .collect()
}

#[test]
fn a_network_with_many_addresses_harms_nobody() {
    let attack = (0..100_000).map(|at| (attacker(at), String::new()));
    assert_harmless(login_and(2, "client"), attack);
}

#[test]
fn a_network_with_many_accounts_harms_nobody() {
    let attack = (0..20_000).map(|at| (attacker(0), at.to_string()));
    assert_harmless(login_and(8, "account"), attack);
}

#[test]
fn daily_quotas_do_not_crowd_out_logins() {
    let mut gateway = Gateway::new(serde_json::json!({
        "login": { "key": "client", "limit": 2, "window": "1m" },
        "quota0": { "key": "client", "limit": 1, "per": "day" },
        "quota1": { "key": "client", "limit": 1, "window": "1d" },
        "quota2": { "key": "client", "rate": 1, "every": "1d", "burst": 1 },
        "quota3": { "key": "client", "limit": 1, "per": "month" },
        "quota4": { "key": "client", "limit": 1, "per": "year" },
        "quota5": { "key": "client", "limit": 1, "window": "90m" },
    }));
    let quota = |client| gateway.send_at(0, "/quota", elsewhere(client), "");
    let statuses: Vec<u16> = (0..18_000).map(quota).collect();
    assert!(statuses.contains(&503), "used-up quotas do not give way to each other");
    for client in 20_000..21_000 {
        let statuses: Vec<u16> = (0..3).map(|_| gateway.login(elsewhere(client))).collect();
        assert_eq!(statuses, [200, 200, 429], "client {client}");
    }
}

/// Quotas that are not used up give way to new ones, so these never wait for a day.
#[test]
fn new_daily_quotas_find_a_place() {
    let quota = serde_json::json!({ "key": "client", "limit": 10, "per": "day" });
    let mut gateway = Gateway::new(eight("quota", &quota).collect());
    for client in 0..18_000 {
        assert_eq!(gateway.send_at(0, "/quota", elsewhere(client), ""), 200);
    }
    assert!(counted(&mut gateway.gate, "tollgate.local.evicted") > 10_000);
}
