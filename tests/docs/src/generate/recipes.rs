//! The recipes, by area: each wish, the policy that grants it, and the test that shows it.

use ::recipes::Recipe;
use ::recipes::recipe::Area;

/// Returns a section for each area that has recipes.
pub(super) fn sections(recipes: &[Recipe]) -> String {
    let mut sections = Vec::new();
    for area in Area::ALL {
        let mut own = recipes.iter().filter(|recipe| recipe.area == area).peekable();
        if own.peek().is_some() {
            sections.push(format!("## {area:?}"));
            sections.extend(own.map(section));
        }
    }
    sections.join("\n\n")
}

fn section(recipe: &Recipe) -> String {
    let Recipe { name, wish, policy_text, .. } = recipe;
    let native = match &recipe.only_native {
        None => String::new(),
        Some(reason) => format!(" (without Envoy: {reason})"),
    };
    format!(
        "### {wish}\n\n```yaml\n{policy_text}\n```\n\nShown by `tests/recipes/{name}.yaml`{native}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_listed_by_area() {
        let recipe = |name: &str, area: Area| Recipe {
            name: name.to_owned(),
            wish: format!("The wish {name}"),
            area,
            policy_text: "rules: []".to_owned(),
            ..Recipe::default()
        };
        let text = sections(&[recipe("b", Area::Keys), recipe("a", Area::Matches)]);
        assert_eq!(
            text,
            "## Matches\n\n### The wish a\n\n```yaml\nrules: []\n```\n\n\
             Shown by `tests/recipes/a.yaml`.\n\n\
             ## Keys\n\n### The wish b\n\n```yaml\nrules: []\n```\n\n\
             Shown by `tests/recipes/b.yaml`."
        );
    }
}
