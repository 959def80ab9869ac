//! An edited policy takes effect while the stack runs: its file is looked at again and again, and a
//! policy without a mistake is moved into the place that Envoy watches. Called by [`super::follow`].

use crate::envoy_config::{self, filter, read_policy};
use crate::progress;
use anyhow::Result;
use std::path::PathBuf;
use std::time::SystemTime;

/// The policy's file, and the one that Envoy watches.
#[derive(Debug)]
pub struct Watched {
    policy: PathBuf,
    filter: PathBuf,
    seen: Option<SystemTime>,
}

impl Watched {
    /// The document in `policy`, which the filter's file `filter` has already.
    #[must_use]
    pub fn new(policy: PathBuf, filter: PathBuf) -> Self {
        let seen = changed_at(&policy);
        Self { policy, filter, seen }
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
        let policy = read_policy(&self.policy)?;
        let mut config = envoy_config::read_yaml(&self.filter)?;
        *filter::policy(&mut config)? = policy;
        filter::put(&config, &self.filter)
    }
}

fn changed_at(file: &std::path::Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    #[test]
    fn an_edited_policy_is_put_in_place_unless_it_has_a_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let (policy, file) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.json"));
        let shipped =
            std::fs::read_to_string(crate::paths::root().join("envoy/policy.yaml")).unwrap();
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
        let limit = || -> Value {
            let mut config = envoy_config::read_yaml(&file).unwrap();
            filter::policy(&mut config).unwrap()["buckets"]["auth"]["limit"].clone()
        };
        let mut watched = Watched::new(policy.clone(), file.clone());
        let before = file.metadata().unwrap().modified().unwrap();
        watched.look();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before, "nothing has changed");
        write(&shipped.replace("limit: 5,", "limit: 6,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        write(&shipped.replace("limit: 5,", "limit: 0,"));
        watched.look();
        assert_eq!(limit(), json!(6));
        std::fs::remove_file(&policy).unwrap();
        watched.look();
        write(&shipped);
        watched.look();
        assert_eq!(limit(), json!(5));
    }
}
