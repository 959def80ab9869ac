//! The generated regions: which page has which, and what is in them.

mod cli;
mod metrics;
mod policy;
mod recipes;
mod table;
mod variables;

use crate::regions;
use anyhow::{Context, Result, ensure};
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

const REGIONS: [Region; 11] = [
    ("reference/policy.md", "policy", || Ok(policy::reference(&limits::policy::schema()))),
    ("reference/recipes.md", "recipes", || {
        let all = ::recipes::all().map_err(anyhow::Error::msg)?;
        Ok(recipes::sections(&all))
    }),
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
/// Fails if a page cannot be read, lacks a region, or has one that is not generated.
pub fn stale() -> Result<Vec<Page>> {
    let mut files: Vec<&str> = REGIONS.iter().map(|(file, ..)| *file).collect();
    files.sort_unstable();
    files.dedup();
    let mut stale = Vec::new();
    for file in files {
        let path = format!("docs/{file}");
        let old = std::fs::read_to_string(paths::root().join(&path))
            .with_context(|| format!("cannot read {path}"))?;
        let own: Vec<&Region> = REGIONS.iter().filter(|(own, ..)| *own == file).collect();
        ensure!(own.len() == regions::count(&old), "{path}: expected {} regions", own.len());
        let mut text = old.clone();
        for (_, name, content) in own {
            text = regions::replace(&text, name, &content()?).with_context(|| path.clone())?;
        }
        if text != old {
            stale.push(Page { path, text });
        }
    }
    Ok(stale)
}
