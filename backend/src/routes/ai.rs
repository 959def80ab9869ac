//! `POST /api/ai/…`: Claude's work on a résumé.
//!
//! Each route takes `{"resume_id"}` or `{"resume"}`, plus `"job_description"` and `"language"`. It
//! answers in JSON, or as a stream of events if `Accept` prefers one. Calls [`crate::ai`].

mod awaited;
mod events;

use crate::accept::Shape;
use crate::accounts::Caller;
use crate::ai::answer::{Keywords, Letter, Operations, Profile};
use crate::ai::ask::Scored;
use crate::ai::input::Source;
use crate::ai::recent::{self, Found};
use crate::ai::{Answer, Input, ParsedAsk, Task};
use crate::app::App;
use crate::body::Ask;
use crate::cache::{Cached, Use};
use crate::guard::Permit;
use crate::openapi::{AskAboutJobBody, AskBody};
use crate::respond::{self, ApiError};
use crate::resumes::ResumeError;
use awaited::{About, Awaited, reply};
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use limits::problem::PlacedError;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// A request to an AI route.
pub(crate) struct Question {
    caller: Caller,
    shape: Shape,
    use_: Use,
    permit: Permit,
    body: Ask,
}

impl FromRequest<Arc<App>> for Question {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut head, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut head, app).await?;
        let (shape, use_) = (Shape::from_accept(&head.headers), Use::of(&head.headers));
        let permit = Permit::of(&head.extensions);
        let body = Ask::from_request(Request::from_parts(head, body), app).await?;
        Ok(Self { caller, shape, use_, permit, body })
    }
}

/// The shape of a reply, for the OpenAPI document only.
#[derive(ToSchema)]
#[schema(as = Answer)]
#[expect(dead_code, reason = "describes a reply")]
struct Reply<T> {
    /// `null` for a résumé that came in the request.
    #[schema(required)]
    resume: Option<About>,
    #[serde(flatten)]
    answer: T,
}

/// A stream of events, if `Accept` prefers one: `start`, `delta`s (`{"text"}`) as Claude writes,
/// then `result` with the same content as the JSON reply, or `error` with a problem. Another
/// `start` voids everything before it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a reply")]
struct Events(String);

/// Scores the résumé for applicant tracking systems, with Claude's review if it is available.
///
/// # Errors
/// 404 if the résumé doesn't exist or belongs to another user; 422 if the body is invalid.
#[utoipa::path(
    post,
    path = "/api/ai/analyze-ats-score",
    operation_id = "analyze_ats_score",
    tag = "ai",
    security(("token" = [])),
    params(Use),
    request_body = AskBody,
    responses(
        (status = 200, description = "The score, with a review if Claude is available", content(
            (Reply<Scored> = "application/json"),
            (Events = "text/event-stream"),
        )),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
    )
)]
pub(crate) async fn analyze_ats_score(
    State(app): State<Arc<App>>,
    question: Question,
) -> Result<Response, ApiError> {
    answer(&app, Task::AnalyzeAtsScore, question).await
}

/// Improves the résumé's wording: a JSON Patch for `PATCH /api/resumes/{id}`.
///
/// # Errors
/// As [`analyze_ats_score`]. 422 if Claude declines and 424 if its answer is unusable; both are
/// charged. 503 or 502 if Claude doesn't answer; neither is charged.
#[utoipa::path(
    post,
    path = "/api/ai/optimize-resume",
    operation_id = "optimize_resume",
    tag = "ai",
    security(("token" = [])),
    params(Use),
    request_body = AskBody,
    responses(
        (status = 200, description = "The patch; `flags` lists claims that the résumé doesn't support", content(
            (Reply<Operations> = "application/json"),
            (Events = "text/event-stream"),
        )),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 422, description = "The body is invalid; or, without `errors`, Claude declined, which is charged"),
        (status = 424, description = "Claude's answer is unusable, which is charged"),
        (status = 502, description = "Claude rejected the request, which is not charged"),
    )
)]
pub(crate) async fn optimize_resume(
    State(app): State<Arc<App>>,
    question: Question,
) -> Result<Response, ApiError> {
    answer(&app, Task::OptimizeResume, question).await
}

/// Extracts the job description's keywords, and marks those that the résumé has.
///
/// # Errors
/// As [`optimize_resume`].
#[utoipa::path(
    post,
    path = "/api/ai/extract-keywords",
    operation_id = "extract_keywords",
    tag = "ai",
    security(("token" = [])),
    params(Use),
    request_body = AskAboutJobBody,
    responses(
        (status = 200, description = "The keywords, most important first", content(
            (Reply<Keywords> = "application/json"),
            (Events = "text/event-stream"),
        )),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 422, description = "The body is invalid; or, without `errors`, Claude declined, which is charged"),
        (status = 424, description = "Claude's answer is unusable, which is charged"),
        (status = 502, description = "Claude rejected the request, which is not charged"),
    )
)]
pub(crate) async fn extract_keywords(
    State(app): State<Arc<App>>,
    question: Question,
) -> Result<Response, ApiError> {
    answer(&app, Task::ExtractKeywords, question).await
}

/// Writes a cover letter for the job.
///
/// # Errors
/// As [`optimize_resume`].
#[utoipa::path(
    post,
    path = "/api/ai/generate-cover-letter",
    operation_id = "generate_cover_letter",
    tag = "ai",
    security(("token" = [])),
    params(Use),
    request_body = AskAboutJobBody,
    responses(
        (status = 200, description = "The letter; `flags` lists claims that neither the résumé nor the job description supports", content(
            (Reply<Letter> = "application/json"),
            (Events = "text/event-stream"),
        )),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 422, description = "The body is invalid; or, without `errors`, Claude declined, which is charged"),
        (status = 424, description = "Claude's answer is unusable, which is charged"),
        (status = 502, description = "Claude rejected the request, which is not charged"),
    )
)]
pub(crate) async fn generate_cover_letter(
    State(app): State<Arc<App>>,
    question: Question,
) -> Result<Response, ApiError> {
    answer(&app, Task::GenerateCoverLetter, question).await
}

/// Writes the texts of a LinkedIn profile.
///
/// # Errors
/// As [`optimize_resume`].
#[utoipa::path(
    post,
    path = "/api/ai/optimize-linkedin",
    operation_id = "optimize_linkedin",
    tag = "ai",
    security(("token" = [])),
    params(Use),
    request_body = AskBody,
    responses(
        (status = 200, description = "The texts; `flags` lists claims that the résumé doesn't support", content(
            (Reply<Profile> = "application/json"),
            (Events = "text/event-stream"),
        )),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 422, description = "The body is invalid; or, without `errors`, Claude declined, which is charged"),
        (status = 424, description = "Claude's answer is unusable, which is charged"),
        (status = 502, description = "Claude rejected the request, which is not charged"),
    )
)]
pub(crate) async fn optimize_linkedin(
    State(app): State<Arc<App>>,
    question: Question,
) -> Result<Response, ApiError> {
    answer(&app, Task::OptimizeLinkedin, question).await
}

async fn answer(app: &Arc<App>, task: Task, question: Question) -> Result<Response, ApiError> {
    let Question { caller, shape, use_, permit, body } = question;
    let question = recent::digest(task, &caller, body.bytes());
    let (ttl, about, flight, input) = match app.ai.in_memory(&question, &caller, use_) {
        Some((found, flight)) => {
            let about = found.about.map(|(id, version)| About { id, version });
            (found.entry.ttl, about, flight, None)
        }
        None => {
            let asked = ParsedAsk::of(task, body.fields()?)?;
            let (input, about) = find_input(app, &caller, asked).await?;
            let input = Arc::new(input);
            let (entry, flight) = app.ai.ask(task, Arc::clone(&input), &caller.secret, use_);
            let about_ids = about.map(|About { id, version }| (id, version));
            let ttl = entry.ttl;
            app.ai.remember(question, Found { entry, about: about_ids });
            (ttl, about, flight, Some(input))
        }
    };
    let awaited = Awaited { app: Arc::clone(app), task, input };
    match shape {
        Shape::Json => json_reply(&awaited, ttl, about, flight).await,
        Shape::Events => events::stream(awaited, ttl, about, flight, permit).await,
    }
}

/// Loads the résumé that a question is about, and builds Claude's input.
async fn find_input(
    app: &App,
    caller: &Caller,
    ParsedAsk { source, job, language }: ParsedAsk,
) -> Result<(Input, Option<About>), ApiError> {
    let (resume, about) = match source {
        Source::Inline(resume) => (resume, None),
        Source::Stored(id) => match app.resumes.read_cached(caller, id, Use::EVERYTHING).await {
            Ok(Cached { value: stored, .. }) => {
                let resume = stored.document().map_err(ResumeError::from)?;
                (resume, Some(About { id, version: stored.version }))
            }
            Err(error) if error.is_not_found() => return Err(ApiError::NoSuchResume),
            Err(error) => return Err(error.into()),
        },
    };
    let pointer = if about.is_some() { "/resume_id" } else { "/resume" };
    let input = Input::new(resume, job, language).map_err(|error| {
        vec![PlacedError { pointer: pointer.to_owned(), detail: error.to_string() }]
    })?;
    Ok((input, about))
}

async fn json_reply(
    awaited: &Awaited,
    ttl: Duration,
    about: Option<About>,
    flight: Answer,
) -> Result<Response, ApiError> {
    let Cached { value, origin } = awaited.landed(flight).await?;
    let mut response = respond::serialized_json(StatusCode::OK, reply(about, &value));
    origin.mark(ttl, &mut response);
    Ok(response)
}
