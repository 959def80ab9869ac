//! `tollgate counters` and `tollgate overrides`: the operator's commands on top of the admin API.
//!
//! Called by [`crate::run`]; talks to [`crate::admin`] through [`crate::client`]. A counter's name in
//! the ledger is derived from the policy, with the same function that the filter uses.

use crate::admin::{
    AddedTo, Changed, Listed, Named, OVERRIDES_PATH, Overridden, REMOVE_PATH, RESET_PATH, SET_PATH,
    SHOW_PATH, Show, Shown, TOP_UP_PATH, ToTopUp, UNBLOCK_PATH,
};
use crate::cli::{Action, Admin, Counters, OverridesCommand, Target, TypedFacts, Until};
use crate::client;
use crate::policy::reasons;
use crate::secret::Token;
use anyhow::{Context, bail};
use ledger::clock::Clock;
use ledger::overrides::Override;
use limits::counter::CounterName;
use limits::key;
use limits::ledger::{NEVER, TimeMs};
use limits::policy::{Algorithm, Bucket, Policy, UNLIMITED};
use limits::quota::{Quota, TopUpAmount};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::time::Duration;

/// Runs `tollgate counters …` and returns the text to print.
pub(crate) async fn counters(command: Counters) -> anyhow::Result<String> {
    match command {
        Counters::Show { target, request } => show(&target, &request).await,
        Counters::TopUp { target, amount, id } => top_up(&target, amount, id).await,
        Counters::Reset { target } => {
            let policy = target.policy()?;
            let mut any = false;
            for variant in target.bucket(&policy)?.variants() {
                let counter = target.counter(&policy, variant)?;
                let Changed { changed } =
                    ask(&target.admin, RESET_PATH, &Named { counter }).await?;
                any |= changed;
            }
            Ok(format!("{target}: {}\n", if any { "reset" } else { "nothing was counted" }))
        }
        Counters::Unblock { target } => {
            // The tiers of a bucket share its refusals.
            let counter = target.counter(&target.policy()?, None)?;
            let Changed { changed } = ask(&target.admin, UNBLOCK_PATH, &Named { counter }).await?;
            let outcome = if changed { "unblocked" } else { "no refusals were counted" };
            Ok(format!("{target}: {outcome}\n"))
        }
    }
}

/// Runs `tollgate overrides …` and returns the text to print.
pub(crate) async fn overrides(command: OverridesCommand) -> anyhow::Result<String> {
    match command {
        OverridesCommand::Set { target, action } => {
            let counter = target.counter(&target.policy()?, None)?;
            let overriding = action.overriding(Clock::start().now_ms())?;
            let body = Overridden { counter, overriding };
            let Changed { changed } = ask(&target.admin, SET_PATH, &body).await?;
            let was = if changed { "" } else { " already" };
            Ok(format!("{target}:{was} {}\n", describe(overriding)))
        }
        OverridesCommand::List { admin } => {
            let Listed { overrides } = fetch(&admin, OVERRIDES_PATH, None).await?;
            let lines = overrides
                .iter()
                .map(|one| format!("{}  {}\n", one.counter, describe(one.overriding)));
            Ok(if overrides.is_empty() { "no overrides\n".to_owned() } else { lines.collect() })
        }
        OverridesCommand::Remove { target } => {
            let counter = target.counter(&target.policy()?, None)?;
            let Changed { changed } = ask(&target.admin, REMOVE_PATH, &Named { counter }).await?;
            let outcome = if changed { "override removed" } else { "there was no override" };
            Ok(format!("{target}: {outcome}\n"))
        }
    }
}

async fn top_up(target: &Target, amount: TopUpAmount, id: String) -> anyhow::Result<String> {
    let policy = target.policy()?;
    let bucket = target.bucket(&policy)?;
    if !matches!(bucket.counting.algorithm, Algorithm::Balance) {
        bail!("bucket {} is not a balance, so it cannot be topped up", bucket.name);
    }
    let counter = target.counter(&policy, None)?;
    let body = ToTopUp { counter, amount, id };
    let AddedTo { changed, added } = ask(&target.admin, TOP_UP_PATH, &body).await?;
    let outcome = if changed { format!("added {amount}") } else { "already added".to_owned() };
    Ok(format!("{target}: {outcome}; {added} topped up in all\n"))
}

async fn show(target: &Target, request: &TypedFacts) -> anyhow::Result<String> {
    let policy = target.policy()?;
    let request = request.request();
    let bucket = target.bucket(&policy)?;
    let (chosen, block) = (bucket.chosen(&request), bucket.block);
    let counter = target.counter(&policy, chosen.counting.variant.as_deref())?;
    let mut text = format!("{target}  ({counter})\n");
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<11}{value}");
    let because = || chosen.reasons.iter().map(reasons::reason);
    let Some(quota) = chosen.quota else {
        line("limit", reasons::limit(None))?;
        for reason in because() {
            line("because", reason)?;
        }
        return Ok(text);
    };
    let shown: Shown = ask(&target.admin, SHOW_PATH, &Show { counter, quota, block }).await?;
    let is_unlimited = shown.limit == UNLIMITED.get();
    let limit = if is_unlimited { "unlimited".to_owned() } else { shown.limit.to_string() };
    line(if matches!(quota, Quota::Balance(_)) { "given" } else { "limit" }, limit)?;
    for reason in because().filter(|_| shown.overriding.is_none()) {
        line("because", reason)?;
    }
    if is_unlimited {
        line("counted", shown.limit.saturating_sub(shown.remaining).to_string())?;
    } else {
        line("remaining", shown.remaining.to_string())?;
    }
    let next = match (shown.admitted, shown.blocked) {
        (true, _) => "admitted".to_owned(),
        (false, true) => {
            let until = time(shown.now_ms.saturating_add(shown.reset_ms));
            format!("denied: blocked for repeated refusals until {until}")
        }
        (false, false) => "denied".to_owned(),
    };
    line("next", next)?;
    if !shown.admitted {
        let wait = match shown.retry_after_ms {
            NEVER => "never, unless topped up".to_owned(),
            wait_ms => seconds(wait_ms),
        };
        line("retry in", wait)?;
    }
    if shown.reset_ms > 0 {
        line("more in", seconds(shown.reset_ms))?;
    }
    if let Some(overriding) = shown.overriding {
        line("override", describe(overriding))?;
    }
    Ok(text)
}

impl Target {
    fn policy(&self) -> anyhow::Result<Policy> {
        crate::policy::read(&self.policy)
    }

    fn bucket<'a>(&self, policy: &'a Policy) -> anyhow::Result<&'a Bucket> {
        let found = policy.buckets.iter().find(|bucket| bucket.name == self.bucket);
        found.with_context(|| {
            let names: Vec<_> = policy.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
            format!("the policy has no bucket {:?}; it has {}", self.bucket, names.join(", "))
        })
    }

    /// Returns the counter's name in the ledger. `variant`: the one of its tier, if it has its own.
    fn counter(&self, policy: &Policy, variant: Option<&str>) -> anyhow::Result<CounterName> {
        let bucket = self.bucket(policy)?;
        let reachable: Vec<_> = policy.payers(&bucket.key).collect();
        if !reachable.contains(&self.key.name.as_str()) {
            bail!(
                "bucket {} is keyed by {}, not by {:?}",
                bucket.name,
                reachable.join(" or "),
                self.key.name
            );
        }
        let identity = key::of_text(policy, &self.key.name, &self.key.value)?;
        Ok(CounterName::of_variant(&identity, &bucket.name, variant)?)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {}={}", self.bucket, self.key.name, self.key.value)
    }
}

impl Action {
    fn overriding(&self, now_ms: u64) -> anyhow::Result<Override> {
        let until_ms = self.blocked_until.map(|until| match until {
            Until::Time(at_ms) => at_ms,
            Until::InMs(length_ms) => now_ms.saturating_add(length_ms),
        });
        match (self.limit, self.unlimited, until_ms) {
            (Some(limit), false, None) => Ok(Override::Limit(limit)),
            (None, true, None) => Ok(Override::Unlimited),
            (None, false, Some(until_ms)) => {
                let until_ms =
                    TimeMs::new(until_ms).context("--blocked-until is too far in the future")?;
                Ok(Override::BlockedUntilMs(until_ms))
            }
            _ => bail!("expected one of --limit, --unlimited and --blocked-until"),
        }
    }
}

fn describe(overriding: Override) -> String {
    match overriding {
        Override::Limit(limit) => format!("limit {limit}"),
        Override::Unlimited => "unlimited".to_owned(),
        Override::BlockedUntilMs(until_ms) => format!("blocked until {}", time(until_ms.get())),
    }
}

/// Formats a Unix time.
fn time(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| format!("{unix_ms} ms"), |at| at.to_string())
}

fn seconds(ms: u64) -> String {
    format!("{:.3} s", Duration::from_millis(ms).as_secs_f64())
}

async fn ask<T: DeserializeOwned>(
    admin: &Admin,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<T> {
    fetch(admin, path, Some(serde_json::to_vec(body)?)).await
}

async fn fetch<T: DeserializeOwned>(
    admin: &Admin,
    path: &str,
    body: Option<Vec<u8>>,
) -> anyhow::Result<T> {
    let answer = client::ask(&admin.admin_url, path, &admin.token()?, body).await?;
    limits::json::parse(&answer)
        .with_context(|| format!("{} did not answer like a shim's admin API", admin.admin_url))
}

impl Admin {
    fn token(&self) -> anyhow::Result<Token> {
        match (&self.token_file, &self.admin_token) {
            (Some(file), _) => {
                let text = crate::file::read(file)?;
                text.trim().parse().with_context(|| format!("no valid token in {}", file.display()))
            }
            (None, Some(token)) => Ok(token.clone()),
            (None, None) => bail!("expected a token in TOLLGATE_ADMIN_TOKEN or --token-file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Pair;

    fn target(bucket: &str, key: &str, value: &str) -> Target {
        Target {
            bucket: bucket.to_owned(),
            key: Pair { name: key.to_owned(), value: value.to_owned() },
            policy: concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/policy.yaml").into(),
            admin: Admin {
                admin_url: hyper::Uri::from_static("http://127.0.0.1:8082"),
                admin_token: None,
                token_file: None,
            },
        }
    }

    fn counter(bucket: &str, key: &str, value: &str) -> String {
        let target = target(bucket, key, value);
        match target.counter(&target.policy().unwrap(), None) {
            Ok(counter) => counter.to_string(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn a_key_and_value_map_to_the_counters_name_in_the_ledger() {
        let ai = counter("ai", "user", "42");
        assert!(ai.starts_with("tg:{") && ai.ends_with("}:ai"), "{ai}");
        assert_ne!(ai, counter("ai", "user", "43"));
        // Clients without a token pay by address.
        assert_eq!(counter("ai", "client", "203.0.113.7"), counter("ai", "client", "203.0.113.7"));
        insta::assert_snapshot!(counter("ia", "user", "42"), @r#"the policy has no bucket "ia"; it has ai, ai_client, ai_daily, auth, authenticated, probes, public"#);
        insta::assert_snapshot!(counter("auth", "user", "42"), @r#"bucket auth is keyed by client, not by "user""#);
        insta::assert_snapshot!(counter("auth", "client", "localhost"), @r#"expected an IP address for key "client", found "localhost""#);
    }

    #[test]
    fn a_missing_policy_is_one_sentence() {
        let mut target = target("ai", "user", "42");
        target.policy = "/nonexistent/policy.yaml".into();
        insta::assert_snapshot!(format!("{:#}", target.policy().unwrap_err()), @"cannot read /nonexistent/policy.yaml: No such file or directory (os error 2)");
    }
}
