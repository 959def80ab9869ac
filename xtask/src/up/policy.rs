//! The policy of a stack: a document, with the limits that the environment sets and the stack's salt
//! written in. (The backend has the same environment, and tells the same limits.) A copy is kept in
//! the stack's folder for the operator's commands, which name counters by its salt.
//!
//! An edited one takes effect while the stack runs: its file is looked at again and again, and a
//! policy without a mistake is moved into the place that Envoy watches. Called by [`super::follow`].

use super::state::write_private;
use anyhow::{Context, Result};
use harness::envoy_config::{self, filter, read_policy};
use harness::progress;
use limits::variables::Limits;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the copy is called.
pub const KEPT: &str = "policy.json";

/// The policy `document`, read from `file`, with `limits`.
///
/// # Errors
/// Where it has no place for one of `limits`, or no salt that the environment takes.
pub fn rendered(document: Value, limits: &Limits, file: &Path) -> Result<Value> {
    let policy = limits.render(document);
    policy.with_context(|| format!("the policy {} is refused", file.display()))
}

/// Keeps a copy of `policy` in the stack's folder `dir`.
///
/// # Errors
/// Where it cannot be written.
pub fn keep(policy: &Value, dir: &Path) -> Result<()> {
    let text = serde_json::to_vec_pretty(policy).context("cannot write the policy")?;
    write_private(&dir.join(KEPT), &text)
}

/// The policy's file, and the one that Envoy watches.
#[derive(Debug)]
pub struct Watched {
    policy: PathBuf,
    limits: Limits,
    filter: PathBuf,
    dir: PathBuf,
    seen: Option<SystemTime>,
}

impl Watched {
    /// The document in `policy` with `limits`, which the filter's file `filter` and the stack's folder
    /// `dir` have already.
    #[must_use]
    pub fn new(policy: PathBuf, limits: Limits, filter: PathBuf, dir: &Path) -> Self {
        let seen = changed_at(&policy);
        Self { policy, limits, filter, dir: dir.to_owned(), seen }
    }

    /// Puts the policy in place if its file has changed since it was looked at; says what became of it.
    pub fn look(&mut self) {
        let now = changed_at(&self.policy);
        // A file that is away is about to be replaced.
        if now.is_none() || now == self.seen {
            return;
        }
        self.seen = now;
        match self.apply() {
            Ok(()) => progress::say(format_args!("{} is in force", self.policy.display())),
            Err(error) => {
                progress::say(format_args!("{error:#}; the policy before stays in force"))
            }
        }
    }

    fn apply(&self) -> Result<()> {
        let policy = rendered(read_policy(&self.policy)?, &self.limits, &self.policy)?;
        let mut config = envoy_config::read_yaml(&self.filter)?;
        *filter::policy(&mut config)? = policy.clone();
        filter::put_private(&config, &self.filter)?;
        keep(&policy, &self.dir)
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn an_edited_policy_is_put_in_place_unless_it_has_a_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let (policy, file) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.json"));
        let shipped =
            std::fs::read_to_string(harness::paths::root().join("envoy/policy.yaml")).unwrap();
        let mut ticks = 0;
        // Each write at a time of its own, however coarse the file system's clock.
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
        let limits = Limits::from_vars(|name| {
            (name == "PUBLIC_RATE_LIMIT_PER_MINUTE").then(|| "31".to_owned())
        });
        let limits = limits.unwrap().with_salt("kept".to_owned());
        let mut watched = Watched::new(policy.clone(), limits, file.clone(), dir.path());
        let before = file.metadata().unwrap().modified().unwrap();
        watched.look();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before, "nothing has changed");
        write(&shipped.replace("limit: 5,", "limit: 6,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        assert_eq!(limit_of("public"), json!(31), "the environment's limit is in the new one too");
        // And so is the salt that the backend was started with, for the operator's commands too.
        let kept = read_policy(&dir.path().join(KEPT)).unwrap();
        assert_eq!((&kept["salt"], &kept["buckets"]["auth"]["limit"]), (&json!("kept"), &json!(6)));
        write(&shipped.replace("limit: 5,", "limit: 0,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        // A good policy, but without a place for the environment's limit.
        write(&shipped.replace("limit: 30, window: 1m", "limit: 30, per: hour"));
        watched.look();
        assert_eq!(limit_of("public"), json!(31));
        std::fs::remove_file(&policy).unwrap();
        watched.look();
        write(&shipped);
        watched.look();
        assert_eq!(limit(), json!(5));
    }
}
