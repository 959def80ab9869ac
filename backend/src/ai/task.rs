//! Claude's tasks, one per AI route.

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Review a résumé, in addition to the score of [`resume::ats`].
    AnalyzeAtsScore,
    /// Improve a résumé's wording by a JSON Patch.
    OptimizeResume,
    /// Extract the keywords of a job description.
    ExtractKeywords,
    /// Write a cover letter.
    GenerateCoverLetter,
    /// Write the texts of a LinkedIn profile.
    OptimizeLinkedin,
}

impl Task {
    /// All tasks, in the order of their variants.
    pub const ALL: [Self; 5] = [
        Self::AnalyzeAtsScore,
        Self::OptimizeResume,
        Self::ExtractKeywords,
        Self::GenerateCoverLetter,
        Self::OptimizeLinkedin,
    ];

    /// Returns the task's name in paths, metrics, logs and cache keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnalyzeAtsScore => "analyze-ats-score",
            Self::OptimizeResume => "optimize-resume",
            Self::ExtractKeywords => "extract-keywords",
            Self::GenerateCoverLetter => "generate-cover-letter",
            Self::OptimizeLinkedin => "optimize-linkedin",
        }
    }

    /// Returns true if the task requires a job description.
    #[must_use]
    pub const fn needs_job(self) -> bool {
        matches!(self, Self::ExtractKeywords | Self::GenerateCoverLetter)
    }
}
