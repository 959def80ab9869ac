//! `GET /api/me` and `DELETE /api/me`: the caller's account.

use crate::accounts::Caller;
use crate::app::App;
use crate::clock;
use crate::fields::Fields;
use crate::openapi::PasswordBody;
use crate::password::Password;
use crate::respond::{self, ApiError};
use crate::routes::plans;
use crate::user::UserReply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// Returns the user that the request's token belongs to.
///
/// # Errors
/// 401 without a valid token, or if its session has ended.
#[utoipa::path(
    get,
    path = "/api/me",
    operation_id = "me",
    tag = "accounts",
    security(("token" = [])),
    responses((status = 200, description = "The caller", body = UserReply))
)]
pub(crate) async fn me(caller: Caller) -> Response {
    respond::json(StatusCode::OK, &UserReply::from(&caller.user))
}

/// Deletes the account and all of its data, given the password: 204. Cached data becomes unreadable
/// even if it cannot be removed from the cache.
///
/// # Errors
/// 403 for a wrong password, 429 after ten of these.
#[utoipa::path(
    delete,
    path = "/api/me",
    operation_id = "leave",
    tag = "accounts",
    security(("token" = [])),
    request_body = PasswordBody,
    responses(
        (status = 204, description = "The account and all of its data are deleted"),
        (status = 403, description = "The password is wrong"),
        (status = 429, description = "Too many recent wrong passwords"),
    )
)]
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut body: Fields,
) -> Result<StatusCode, ApiError> {
    let password = body.text("password", Password::given);
    let password = body.finish(password)?;
    let resumes = app.resumes.entries(&caller).await?;
    app.accounts.delete(&caller, password, clock::now()).await?;
    app.cache.invalidate(&plans::entry(&app, &caller)).await;
    app.cache.invalidate_all(&resumes).await;
    Ok(StatusCode::NO_CONTENT)
}
