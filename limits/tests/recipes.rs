//! Runs every recipe natively: the gate, and the ledger's arithmetic behind it.
//!
//! To run some of them: `RECIPE=costs cargo test -p tollgate-limits --test recipes`.

use recipes::{Recipe, world};

#[test]
fn every_recipe_does_what_it_says() {
    let wanted = option_env!("RECIPE").unwrap_or_default();
    let all = recipes::all().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(!all.is_empty());
    let wanted = all.iter().filter(|recipe| recipe.name.contains(wanted));
    let found: Vec<String> = wanted.flat_map(failures).collect();
    assert!(found.is_empty(), "{} failures:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_book_can_quote_every_policy() {
    for recipe in recipes::all().unwrap() {
        assert!(!recipe.policy_text.is_empty(), "{}: write `policy:` on its own line", recipe.name);
    }
}

fn failures(recipe: &Recipe) -> Vec<String> {
    let found = world::run(recipe).into_iter();
    found.map(|text| format!("tests/recipes/{}.yaml: {text}", recipe.name)).collect()
}
