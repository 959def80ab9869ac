//! Errors of the AI routes. [`crate::respond`] maps them to HTTP.

use super::answer::Unfit;
use crate::cache::Aborted;
use claude::{ClaudeError, Kind, StopReason};
use std::time::Duration;

/// An answer that could not be produced.
#[derive(Debug, thiserror::Error)]
pub enum AiError {
    /// No API key is configured.
    #[error("ANTHROPIC_API_KEY is not set")]
    NotConfigured,
    /// The call to Claude failed.
    #[error(transparent)]
    Claude(ClaudeError),
    /// The answer was cut off.
    #[error("the answer was cut off: {0}")]
    BrokeOff(ClaudeError),
    /// The stream ended before the answer was complete.
    #[error("the answer's stream ended before the answer was complete")]
    NoEnd,
    /// The time limit passed.
    #[error("expected an answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Claude stopped for a reason other than finishing.
    #[error("expected the answer to end with end_turn, found {}", .0.as_str())]
    Stopped(StopReason),
    /// The answer is unusable.
    #[error("the answer is unusable: {0}")]
    Unfit(#[from] Unfit),
    /// The prompt cannot be rendered.
    #[error("cannot render the prompt: {0}")]
    Prompt(#[from] minijinja::Error),
    /// The load was aborted, or never started.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// Claude began an answer, which is paid for, and then the call failed.
    #[error("paid for, but unusable: {0}")]
    Paid(Box<AiError>),
}

/// The kind of a failure, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Claude is unavailable. Nothing was charged.
    Away,
    /// Claude rejected our request. Nothing was charged.
    Rejected,
    /// Claude declined to answer, which is charged.
    Declined,
    /// Claude answered, which is charged, but the answer is unusable.
    Unusable,
    /// An error of ours.
    Ours,
}

impl Failure {
    /// Returns the failure's name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Rejected => "rejected",
            Self::Declined => "declined",
            Self::Unusable => "unusable",
            Self::Ours => "failed",
        }
    }
}

impl AiError {
    /// Returns the kind of failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Claude(error) if is_about_the_request(error.kind()) => Failure::Rejected,
            Self::NotConfigured
            | Self::Claude(_)
            | Self::BrokeOff(_)
            | Self::NoEnd
            | Self::TooSlow(_)
            | Self::Aborted(Aborted::TooSlow | Aborted::TooMany) => Failure::Away,
            Self::Stopped(StopReason::Refusal) => Failure::Declined,
            Self::Stopped(_) | Self::Unfit(_) => Failure::Unusable,
            Self::Prompt(_) | Self::Aborted(Aborted::Panicked) => Failure::Ours,
            Self::Paid(error) => match error.failure() {
                Failure::Declined => Failure::Declined,
                _ => Failure::Unusable,
            },
        }
    }

    /// Wraps the error of a call whose answer had already begun.
    #[must_use]
    pub fn paid(self) -> Self {
        Self::Paid(Box::new(self))
    }

    /// Returns how long to wait before a retry can succeed, if known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Claude(error) | Self::BrokeOff(error) => error.retry_after(),
            Self::Paid(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Returns true if an immediate retry is likely to help. A failed send has been retried
    /// already. An answer that was too slow, too long or declined would be so again, and cost money
    /// again.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::BrokeOff(error) => error.is_retryable() && error.kind() != Kind::TimedOut,
            Self::NoEnd | Self::Unfit(_) => true,
            _ => false,
        }
    }
}

/// Returns true if Claude would reject this request again.
fn is_about_the_request(kind: Kind) -> bool {
    matches!(kind, Kind::InvalidRequest | Kind::RequestTooLarge | Kind::AnswerTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_kind_and_a_retry_decision() {
        let check = |error: AiError, failure, retry| {
            assert_eq!((error.failure(), error.is_worth_retrying()), (failure, retry), "{error}");
            assert_eq!(error.retry_after(), None, "{error}");
            let expected = if failure == Failure::Declined { failure } else { Failure::Unusable };
            assert_eq!(error.paid().failure(), expected);
        };
        check(AiError::NotConfigured, Failure::Away, false);
        check(AiError::NoEnd, Failure::Away, true);
        check(AiError::TooSlow(Duration::from_secs(1)), Failure::Away, false);
        check(AiError::Stopped(StopReason::Refusal), Failure::Declined, false);
        check(AiError::Stopped(StopReason::MaxTokens), Failure::Unusable, false);
        check(AiError::Stopped(StopReason::Other("new".to_owned())), Failure::Unusable, false);
        check(AiError::Unfit(Unfit::NoOperation { found: 1 }), Failure::Unusable, true);
        check(AiError::Aborted(Aborted::TooMany), Failure::Away, false);
        check(AiError::Aborted(Aborted::Panicked), Failure::Ours, false);
    }
}
