//! Recipes: each says a wish, the policy that grants it, and requests that show it.
//!
//! The files beside this crate's manifest are run natively by `limits/tests/recipes.rs`, through a
//! real Envoy by `tests/tests/gateway/recipes.rs`, and shown in the book.
//!
//! Suggested reading order: [`recipe`] (the format), [`facts`] (a step's request as a policy sees
//! it), [`world`] (the native run: a gate and a ledger), [`check`] (what a step expects),
//! [`arbitrary`] and [`model`] (random policies, and what `explain` says of them).

pub mod arbitrary;
#[path = "../../../ledger/src/calendar.rs"]
mod calendar;
pub mod check;
pub mod facts;
mod ledger;
pub mod model;
pub mod recipe;
mod time;
pub mod world;

pub use recipe::{Recipe, Send, Step};

use std::path::{Path, PathBuf};

/// Returns the folder of the recipes.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Reads all recipes, sorted by name.
///
/// # Errors
/// Fails with every file that cannot be read, and the reason.
pub fn all() -> Result<Vec<Recipe>, String> {
    let entries = std::fs::read_dir(folder()).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut recipes, mut mistakes) = (Vec::new(), Vec::new());
    for file in files {
        match read(&file) {
            Ok(recipe) => recipes.push(recipe),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(recipes) } else { Err(mistakes.join("\n")) }
}

fn read(file: &Path) -> Result<Recipe, String> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let recipe: Recipe =
        serde_saphyr::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    Ok(Recipe { name, policy_text: policy_text(&text), ..recipe })
}

/// Returns the lines of `policy:` in a recipe's file, without the version.
fn policy_text(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "policy:").skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let lines = lines.map(|line| line.strip_prefix("  ").unwrap_or(line));
    let lines = lines.filter(|line| !line.starts_with("version:"));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}
