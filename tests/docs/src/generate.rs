//! The generated regions: which page has which, and what is in them.

mod cli;
mod metrics;
mod policy;
mod table;
mod variables;

use crate::regions::replace;
use anyhow::{Context, Result};
use clap::CommandFactory;
use harness::paths;

/// A page that no longer matches the code.
#[derive(Debug)]
pub struct Page {
    /// The page's path, from the repository's root.
    pub path: String,
    /// The text that it should have.
    pub text: String,
}

/// A generated region: the page below `docs/`, the region's name, and the function that writes it.
type Region = (&'static str, &'static str, fn() -> Result<String>);

const REGIONS: [Region; 10] = [
    ("reference/policy.md", "policy", || Ok(policy::reference(&limits::policy::schema()))),
    ("reference/cli.md", "tollgate", || Ok(cli::help(shim::command()))),
    ("reference/cli.md", "claude-sim", || Ok(cli::help(claude_sim::cli::Cli::command()))),
    ("reference/variables.md", "tollgate", || Ok(variables::of_command(shim::command()))),
    ("reference/variables.md", "tollgate-backend", || variables::of_backend(paths::root())),
    ("reference/variables.md", "claude-sim", || {
        Ok(variables::of_command(claude_sim::cli::Cli::command()))
    }),
    ("reference/variables.md", "policy", || variables::of_policy(paths::root())),
    ("reference/metrics.md", "filter", || Ok(metrics::of_filter())),
    ("reference/metrics.md", "shim", || Ok(metrics::described(shim::describe_metrics))),
    ("reference/metrics.md", "backend", || Ok(metrics::described(backend::telemetry::describe))),
];

/// Generates all pages and returns those that differ from what is on disk.
///
/// # Errors
/// Fails if a page cannot be read or lacks a region.
pub fn stale() -> Result<Vec<Page>> {
    let mut pages: Vec<(Page, String)> = Vec::new();
    for (file, name, content) in REGIONS {
        let path = format!("docs/{file}");
        if pages.last().is_none_or(|(page, _)| page.path != path) {
            let text = std::fs::read_to_string(paths::root().join(&path))
                .with_context(|| format!("cannot read {path}"))?;
            pages.push((Page { path: path.clone(), text: text.clone() }, text));
        }
        if let Some((page, _)) = pages.last_mut() {
            page.text = replace(&page.text, name, &content()?).with_context(|| path)?;
        }
    }
    Ok(pages.into_iter().filter(|(page, old)| page.text != *old).map(|(page, _)| page).collect())
}
