//! `POST /api/auth/signup`, `login`, `refresh`, `logout` and `password`.

use crate::accounts::{Caller, Credentials, Tokens};
use crate::app::App;
use crate::clock;
use crate::fields::Fields;
use crate::openapi::{CredentialsBody, NewCredentialsBody, NewPasswordBody, RefreshBody};
use crate::password::{BadPassword, Password};
use crate::refresh_token::RefreshToken;
use crate::respond::{self, ApiError};
use crate::user::UserReply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resume::email::Email;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
struct TokensReply<'a> {
    /// A JWT, for `Authorization: Bearer …`.
    access_token: &'a str,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// The access token's lifetime in seconds.
    #[schema(minimum = 1)]
    expires_in: u32,
    /// The refresh token, good for one use.
    refresh_token: &'a str,
}

impl<'a> From<&'a Tokens> for TokensReply<'a> {
    fn from(tokens: &'a Tokens) -> Self {
        Self {
            access_token: &tokens.access,
            token_type: "Bearer",
            expires_in: tokens.access_ttl_s,
            refresh_token: tokens.refresh.as_str(),
        }
    }
}

/// Creates an account: 201 with the user.
///
/// # Errors
/// 409 if the address already has an account, 422 for an invalid address or password.
#[utoipa::path(
    post,
    path = "/api/auth/signup",
    operation_id = "sign_up",
    tag = "accounts",
    request_body = NewCredentialsBody,
    responses(
        (status = 201, description = "The new user, on the free plan", body = UserReply),
        (status = 409, description = "The address already has an account"),
    )
)]
pub(crate) async fn sign_up(
    State(app): State<Arc<App>>,
    body: Fields,
) -> Result<Response, ApiError> {
    let credentials = credentials(body, Password::chosen)?;
    let user = app.accounts.sign_up(credentials, clock::now()).await?;
    Ok(respond::json(StatusCode::CREATED, &UserReply::from(&user)))
}

/// Logs in: 200 with the session's first tokens.
///
/// # Errors
/// 401 for a wrong password or an unknown user, 429 after ten of these.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    operation_id = "log_in",
    tag = "accounts",
    request_body = CredentialsBody,
    responses(
        (status = 200, description = "The session's first tokens", body = TokensReply<'_>),
        (status = 401, description = "The address or the password is wrong"),
        (status = 429, description = "Too many recent wrong passwords for this address"),
    )
)]
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    body: Fields,
) -> Result<Response, ApiError> {
    let credentials = credentials(body, Password::given)?;
    let tokens = app.accounts.log_in(credentials, clock::now()).await?;
    Ok(respond::json(StatusCode::OK, &TokensReply::from(&tokens)))
}

/// Refreshes a session: 200 with its next tokens, which name the current plan.
///
/// # Errors
/// 401 for a refresh token that is invalid or no longer valid.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    operation_id = "refresh",
    tag = "accounts",
    request_body = RefreshBody,
    responses(
        (status = 200, description = "The session's next tokens", body = TokensReply<'_>),
        (status = 401, description = "The refresh token is invalid or no longer valid"),
    )
)]
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let token = body.text("refresh_token", RefreshToken::parse);
    let token = body.finish(token)?;
    let tokens = app.accounts.refresh(&token, clock::now()).await?;
    Ok(respond::json(StatusCode::OK, &TokensReply::from(&tokens)))
}

/// Logs out: ends the caller's session at once, with 204.
///
/// # Errors
/// 401 without a valid token.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    operation_id = "log_out",
    tag = "accounts",
    security(("token" = [])),
    responses((status = 204, description = "The session has ended"))
)]
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    app.accounts.log_out(caller.session_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the caller's password and ends their other sessions: 204.
///
/// # Errors
/// 403 if the current password is wrong, 429 after ten wrong ones, 422 if the new one is not
/// allowed.
#[utoipa::path(
    post,
    path = "/api/auth/password",
    operation_id = "change_password",
    tag = "accounts",
    security(("token" = [])),
    request_body = NewPasswordBody,
    responses(
        (status = 204, description = "The password is changed"),
        (status = 403, description = "The current password is wrong"),
        (status = 429, description = "Too many recent wrong passwords"),
    )
)]
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut body: Fields,
) -> Result<StatusCode, ApiError> {
    let current = body.text("current_password", Password::given);
    let new = body.text("new_password", Password::chosen);
    let (current, new) = body.finish(current.zip(new))?;
    app.accounts.change_password(&caller, current, new, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn credentials(
    mut body: Fields,
    password: impl FnOnce(&str) -> Result<Password, BadPassword>,
) -> Result<Credentials, ApiError> {
    let email = body.text("email", Email::parse);
    let password = body.text("password", password);
    let (email, password) = body.finish(email.zip(password))?;
    Ok(Credentials { email, password })
}
