//! `optimize-linkedin`: the texts of a profile, and their claims that neither the résumé nor the
//! job description supports.

use super::bounds::{self, Lines};
use super::flags::flags;
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::invention::Invented;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest headline, in characters. LinkedIn's limit.
const MAX_HEADLINE_CHARS: usize = 220;
/// The longest "about" text, in characters. LinkedIn's limit.
const MAX_ABOUT_CHARS: usize = 2600;
/// The most skills. LinkedIn's limit.
const MAX_SKILLS: usize = 100;
/// The longest skill, in characters.
const MAX_SKILL_CHARS: usize = 80;

/// A LinkedIn profile.
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
struct RawAnswer {
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
    let raw: RawAnswer = bounds::parse(text)?;
    let headline = bounds::text("headline", &raw.headline, MAX_HEADLINE_CHARS, Lines::One)?;
    let about = bounds::text("about", &raw.about, MAX_ABOUT_CHARS, Lines::Many)?;
    let skills = skills(raw.skills)?;
    let flags = flags(input, &[("/headline", &headline), ("/about", &about)]);
    Ok(Profile { headline, about, skills, flags })
}

/// Checks the skills, and drops those that differ from an earlier one only in case.
fn skills(raw: Vec<String>) -> Result<Vec<String>, Unfit> {
    let mut skills: Vec<String> = Vec::new();
    for skill in bounds::list("skills", raw, MAX_SKILLS)? {
        let skill = bounds::text("skill", &skill, MAX_SKILL_CHARS, Lines::One)?;
        if !skills.iter().any(|known| known.to_lowercase() == skill.to_lowercase()) {
            skills.push(skill);
        }
    }
    Ok(skills)
}
