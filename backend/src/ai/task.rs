//! What Claude can be asked to do: one task for each AI route.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// How well a résumé would do, on top of what [`resume::ats`] counts.
    AnalyzeAtsScore,
    /// A JSON Patch that words it better.
    OptimizeResume,
    /// What a job description asks for.
    ExtractKeywords,
    /// A letter for a job.
    GenerateCoverLetter,
    /// The texts of a LinkedIn profile.
    OptimizeLinkedin,
}

impl Task {
    /// All of them, in the order of their variants.
    pub const ALL: [Self; 5] = [
        Self::AnalyzeAtsScore,
        Self::OptimizeResume,
        Self::ExtractKeywords,
        Self::GenerateCoverLetter,
        Self::OptimizeLinkedin,
    ];

    /// Its name in paths, metrics, logs and the cache's keys.
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

    /// Whether it makes no sense without a job description.
    #[must_use]
    pub const fn needs_job(self) -> bool {
        matches!(self, Self::ExtractKeywords | Self::GenerateCoverLetter)
    }
}
