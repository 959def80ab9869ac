//! Why there is no answer of Claude's. What it comes to for the client, [`crate::respond`] says.

use super::answer::Unfit;
use crate::cache::Aborted;
use claude::{ClaudeError, Kind, StopReason};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AiError {
    /// There is no key to ask with.
    #[error("ANTHROPIC_API_KEY is not set")]
    NotConfigured,
    /// Claude could not be asked, or did not answer.
    #[error(transparent)]
    Claude(ClaudeError),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    BrokeOff(ClaudeError),
    /// The answer ended without an end.
    #[error("the answer ended before it was whole")]
    NoEnd,
    /// Nothing came of it in time.
    #[error("expected an answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Claude stopped for another reason than that it was done.
    #[error("expected the answer to end with end_turn, found {}", .0.as_str())]
    Stopped(StopReason),
    /// The answer is none that can be used.
    #[error("the answer cannot be used: {0}")]
    Unfit(#[from] Unfit),
    /// The prompt cannot be made.
    #[error("the prompt: {0}")]
    Prompt(#[from] minijinja::Error),
    /// The load was ended, or never begun.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// Claude began an answer, which is paid for, and this is all that came of it.
    #[error("paid for in vain: {0}")]
    Paid(Box<AiError>),
}

/// What kind of failure it is, for those who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Claude is not to be had at present. Nothing was paid.
    Away,
    /// Claude does not accept our request. Nothing was paid.
    Rejected,
    /// Claude declines to answer this. That is an answer, and paid for.
    Declined,
    /// Claude answers, which is paid for, and nothing can be made of it.
    Unusable,
    /// It is our fault.
    Ours,
}

impl Failure {
    /// Its name in metrics.
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
    /// What kind it is.
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

    /// The error of a call whose answer Claude has begun.
    #[must_use]
    pub fn paid(self) -> Self {
        Self::Paid(Box::new(self))
    }

    /// How long to wait before asking again has a chance, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Claude(error) | Self::BrokeOff(error) => error.retry_after(),
            Self::Paid(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether asking once more at once is likely to help. What could not be asked at all has been
    /// tried again already; what took too long, was cut at its bound, or declined, would be so again,
    /// and be paid for again.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        match self {
            Self::BrokeOff(error) => error.is_retryable() && error.kind() != Kind::TimedOut,
            Self::NoEnd | Self::Unfit(_) => true,
            _ => false,
        }
    }
}

/// Whether Claude answers, and would say the same to this request again.
fn is_about_the_request(kind: Kind) -> bool {
    matches!(kind, Kind::InvalidRequest | Kind::RequestTooLarge | Kind::AnswerTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_kind_and_says_whether_to_ask_again() {
        let check = |error: AiError, failure, again| {
            assert_eq!(
                (error.failure(), error.is_worth_another_try()),
                (failure, again),
                "{error}"
            );
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
