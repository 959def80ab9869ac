//! `optimize-linkedin`: the texts of a profile, with what they say that neither the résumé nor the
//! job description does.

use super::bounds::{self, Lines};
use super::flags::flags;
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::invention::Invented;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest headline, in characters: as long as LinkedIn takes.
const MAX_HEADLINE_CHARS: usize = 220;
/// The longest text about someone, in characters: as long as LinkedIn takes.
const MAX_ABOUT_CHARS: usize = 2600;
/// The most skills: as many as there are places for in a profile.
const MAX_SKILLS: usize = 100;
/// The longest skill, in characters.
const MAX_SKILL_CHARS: usize = 80;

/// A profile.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LinkedinProfile)]
pub(crate) struct Profile {
    headline: String,
    about: String,
    skills: Vec<String>,
    flags: Vec<Invented>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    headline: String,
    about: String,
    skills: Vec<String>,
}

pub(super) fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["headline", "about", "skills"],
        "properties": {
            "headline": text,
            "about": text,
            "skills": {"type": "array", "items": text},
        },
    })
}

pub(super) fn checked(input: &Input, text: &str) -> Result<Profile, Unfit> {
    let said: Said = bounds::parsed(text)?;
    let headline = bounds::text("headline", &said.headline, MAX_HEADLINE_CHARS, Lines::One)?;
    let about = bounds::text("about", &said.about, MAX_ABOUT_CHARS, Lines::Many)?;
    let skills = skills(said.skills)?;
    let flags = flags(input, &[("/headline", &headline), ("/about", &about)]);
    Ok(Profile { headline, about, skills, flags })
}

/// Each once, however it is spelt.
fn skills(said: Vec<String>) -> Result<Vec<String>, Unfit> {
    let mut skills: Vec<String> = Vec::new();
    for skill in bounds::list("skills", said, MAX_SKILLS)? {
        let skill = bounds::text("skill", &skill, MAX_SKILL_CHARS, Lines::One)?;
        if !skills.iter().any(|known| known.to_lowercase() == skill.to_lowercase()) {
            skills.push(skill);
        }
    }
    Ok(skills)
}
