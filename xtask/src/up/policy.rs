//! The policy of a stack: a document in which `tollgate policy` sets the environment's values and the
//! stack's salt.
//!
//! The backend has the same environment, so it reports the same limits. A copy is kept in the stack's
//! folder for the operator's commands, which need its salt to name counters.
//!
//! An edited policy takes effect while the stack runs. Its file is polled, and `tollgate policy apply`
//! checks it and writes it to the file that Envoy watches. Called by [`super::follow`].

use super::state::write_private;
use anyhow::{Context, Result, bail, ensure};
use harness::envoy_config::read_policy;
use harness::{env, progress, variables};
use limits::policy::{Algorithm, Bucket, Policy};
use limits::quota::Period;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The file name of the copy.
pub const KEPT: &str = "policy.json";
/// The variable that sets the salt.
pub const SALT: &str = "TOLLGATE_SALT";
const MINUTE_MS: u64 = 60_000;

/// The policy's file, and the values to set in it.
#[derive(Debug)]
pub struct Source {
    tollgate: PathBuf,
    file: PathBuf,
    /// Variables that take precedence over the environment.
    variables: BTreeMap<&'static str, String>,
}

impl Source {
    /// Describes the policy in `file` with `salt`, rendered by the program `tollgate`.
    #[must_use]
    pub fn new(tollgate: PathBuf, file: PathBuf, salt: String) -> Self {
        Self { tollgate, file, variables: BTreeMap::from([(SALT, salt)]) }
    }

    /// Renders the policy.
    ///
    /// # Errors
    /// Fails if the policy has a mistake, lacks a value that a variable sets, or has a publicly known
    /// salt outside development.
    pub fn render(&self) -> Result<Value> {
        read_policy(&self.file)?;
        let policy = serde_json::from_str(&self.run("render", &["--json".as_ref()])?)?;
        self.check_periods(&policy).with_context(|| self.invalid())?;
        Ok(policy)
    }

    /// Writes the policy into the filter's file `filter`.
    fn apply(&self, filter: &Path) -> Result<()> {
        self.run("apply", &[filter]).map(drop)
    }

    /// Runs `tollgate policy <chore>` with the file and the arguments `more`; returns its output.
    fn run(&self, chore: &str, more: &[&Path]) -> Result<String> {
        let mut command = Command::new(&self.tollgate);
        command.args(["policy", chore, "--set-env"]);
        command.arg(format!("@{}", variables::file().display()));
        command.arg(&self.file).args(more).envs(&self.variables);
        let output = command.output().context("cannot run tollgate")?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let error = String::from_utf8_lossy(&output.stderr);
        let error = error.trim().trim_start_matches("tollgate: ");
        let error = error.strip_prefix(&format!("{}: ", self.file.display())).unwrap_or(error);
        bail!("{}: {error}", self.invalid())
    }

    fn invalid(&self) -> String {
        format!("invalid policy {}", self.file.display())
    }

    /// Checks that each bucket whose limit a variable sets counts over the period in the variable's
    /// name.
    fn check_periods(&self, policy: &Value) -> Result<()> {
        let policy = Policy::from_value(policy.clone())?;
        for (path, variable) in variables::list()?.into_iter().filter(|(_, name)| self.is_set(name))
        {
            let named =
                |bucket: &&Bucket| path.starts_with(&format!("buckets.{}.limit", bucket.name));
            let Some(bucket) = policy.buckets.iter().find(named) else { continue };
            let is_minute = variable.ends_with("_PER_MINUTE");
            let is_right = match &bucket.counting.algorithm {
                Algorithm::SlidingWindow { window_ms } => is_minute && window_ms.get() == MINUTE_MS,
                Algorithm::FixedWindow { per, .. } => !is_minute && *per == Period::Day,
                Algorithm::TokenBucket(_) | Algorithm::Balance => false,
            };
            let expected = if is_minute { "window: 1m" } else { "per: day" };
            ensure!(
                is_right,
                "{variable}: expected the policy's bucket {} to have `{expected}`, found something \
                 else: change the policy or unset the variable",
                bucket.name
            );
        }
        Ok(())
    }

    fn is_set(&self, variable: &str) -> bool {
        let value = self.variables.get(variable).cloned().or_else(|| env::text(variable));
        value.is_some_and(|value| !value.is_empty())
    }
}

/// Writes a copy of `policy` to the stack's folder `dir`.
///
/// # Errors
/// Fails if the copy cannot be written.
pub fn keep(policy: &Value, dir: &Path) -> Result<()> {
    let text = serde_json::to_vec_pretty(policy).context("cannot write the policy")?;
    write_private(&dir.join(KEPT), &text)
}

/// A policy's file that is watched for changes.
#[derive(Debug)]
pub struct Watched {
    source: Source,
    filter: PathBuf,
    dir: PathBuf,
    seen: Option<SystemTime>,
}

impl Watched {
    /// Starts watching `source`. Its current content must already be in the filter's file `filter`
    /// and in the stack's folder `dir`.
    #[must_use]
    pub fn new(source: Source, filter: PathBuf, dir: &Path) -> Self {
        let seen = changed_at(&source.file);
        Self { source, filter, dir: dir.to_owned(), seen }
    }

    /// Applies the policy if its file has changed since the last call, and prints the outcome.
    pub fn look(&mut self) {
        let now = changed_at(&self.source.file);
        // A missing file is about to be replaced.
        if now.is_none() || now == self.seen {
            return;
        }
        self.seen = now;
        match self.apply() {
            Ok(()) => progress::say(format_args!("{} is in force", self.source.file.display())),
            Err(error) => {
                progress::say(format_args!("{error:#}; the previous policy stays in force"))
            }
        }
    }

    fn apply(&self) -> Result<()> {
        let policy = self.source.render()?;
        self.source.apply(&self.filter)?;
        keep(&policy, &self.dir)
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::envoy_config::{self, filter};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn an_edited_policy_is_applied_unless_it_has_a_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let (policy, file) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.json"));
        let shipped =
            std::fs::read_to_string(harness::paths::root().join("envoy/policy.yaml")).unwrap();
        let mut ticks = 0;
        // Each write gets a distinct time, however coarse the file system's clock is.
        let mut write = |text: &str| {
            ticks += 1;
            std::fs::write(&policy, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + ticks);
            std::fs::File::options().append(true).open(&policy).unwrap().set_modified(at).unwrap();
        };
        write(&shipped);
        let rendered = envoy_config::render(&envoy_config::Options::default()).unwrap();
        filter::put(&rendered.filter.unwrap(), &file).unwrap();
        let limit_of = |bucket: &str| -> Value {
            let mut config = envoy_config::read_yaml(&file).unwrap();
            filter::policy(&mut config).unwrap()["buckets"][bucket]["limit"].clone()
        };
        let limit = || limit_of("auth");
        let tollgate = harness::binaries::build().unwrap().shim.clone();
        let mut source = Source::new(tollgate, policy.clone(), "kept".to_owned());
        source.variables.insert("PUBLIC_RATE_LIMIT_PER_MINUTE", "31".to_owned());
        let mut watched = Watched::new(source, file.clone(), dir.path());
        let before = file.metadata().unwrap().modified().unwrap();
        watched.look();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before, "nothing has changed");
        write(&shipped.replace("limit: 5,", "limit: 6,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        assert_eq!(limit_of("public"), json!(31), "the environment's limit is kept");
        // The copy for the operator's commands keeps the salt that the backend was started with.
        let kept = read_policy(&dir.path().join(KEPT)).unwrap();
        assert_eq!((&kept["salt"], &kept["buckets"]["auth"]["limit"]), (&json!("kept"), &json!(6)));
        write(&shipped.replace("limit: 5,", "limit: -1,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        // A valid policy, but with another period than the variable's.
        write(&shipped.replace("limit: 30, window: 1m", "limit: 30, per: hour"));
        watched.look();
        assert_eq!(limit_of("public"), json!(31));
        std::fs::remove_file(&policy).unwrap();
        watched.look();
        write(&shipped);
        watched.look();
        assert_eq!(limit(), json!(5));
    }

    #[test]
    fn a_variable_is_refused_if_its_bucket_counts_over_another_period() {
        let shipped = envoy_config::read_yaml(&harness::paths::root().join("envoy/policy.yaml"));
        let check = |variable, bucket: &str, fields: Value, expected: Option<&str>| {
            let mut source = Source::new(PathBuf::new(), PathBuf::new(), String::new());
            source.variables.insert(variable, "5".to_owned());
            let mut policy = shipped.as_ref().unwrap().clone();
            policy["buckets"][bucket] = fields;
            let refused = source.check_periods(&policy).map_err(|error| error.to_string()).err();
            let start = expected.map(|expected| {
                format!("{variable}: expected the policy's bucket {bucket} to have `{expected}`")
            });
            assert_eq!(refused.is_some(), start.is_some(), "{refused:?}");
            let is_as_expected =
                refused.zip(start).is_none_or(|(error, start)| error.starts_with(&start));
            assert!(is_as_expected, "{variable}");
        };
        let auth = "AUTH_RATE_LIMIT_PER_MINUTE";
        for window in ["1m", "60s", "60000ms"] {
            let fields = json!({ "key": "client", "limit": 5, "window": window });
            check(auth, "auth", fields, None);
        }
        for fields in [
            json!({ "key": "client", "limit": 5, "window": "30s" }),
            json!({ "key": "client", "limit": 5, "per": "minute" }),
            json!({ "key": "client", "rate": 5, "every": "1m", "burst": 5 }),
        ] {
            check(auth, "auth", fields.clone(), Some("window: 1m"));
            check("PUBLIC_RATE_LIMIT_PER_MINUTE", "auth", fields, None);
        }
        let plans = |per: &str| {
            let limit =
                json!({ "by": { "jwt_claim": "tier" }, "values": { "pro": 5 }, "otherwise": 5 });
            json!({ "key": "user", "per": per, "limit": limit })
        };
        check("PRO_AI_ASSIST_LIMIT", "ai_daily", plans("day"), None);
        check("PRO_AI_ASSIST_LIMIT", "ai_daily", plans("month"), Some("per: day"));
    }
}
