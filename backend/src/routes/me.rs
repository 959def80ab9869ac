//! `GET /api/me` and `DELETE /api/me`: who asks, and their leaving.

use crate::accounts::Caller;
use crate::app::App;
use crate::fields::Fields;
use crate::password::Password;
use crate::respond::{self, ApiError};
use crate::user::UserReply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// Answers with the user whose token the request carries.
///
/// # Errors
/// 401 without a good token, or when its session has ended.
pub async fn me(caller: Caller) -> Response {
    respond::json(StatusCode::OK, &UserReply::from(&caller.user))
}

/// Deletes the account and everything that is its owner's, for their password: 204.
///
/// # Errors
/// 403 for a wrong password.
pub async fn leave(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut body: Fields,
) -> Result<StatusCode, ApiError> {
    let password = body.text("password", Password::given);
    let password = body.finish(password)?;
    app.accounts.delete(&caller, password).await?;
    Ok(StatusCode::NO_CONTENT)
}
