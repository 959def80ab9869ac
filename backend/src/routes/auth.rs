//! `POST /api/auth/signup` and `POST /api/auth/login`.

use crate::accounts::{AccessToken, Credentials};
use crate::app::App;
use crate::clock;
use crate::email::Email;
use crate::fields::Fields;
use crate::password::{BadPassword, Password};
use crate::respond::{self, ApiError};
use crate::user::UserReply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct LogInReply<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
}

/// Makes an account: 201 with the user.
///
/// # Errors
/// 409 if the address has one, 422 for a bad address or password.
pub async fn sign_up(State(app): State<Arc<App>>, body: Fields) -> Result<Response, ApiError> {
    let credentials = credentials(body, Password::chosen)?;
    let user = app.accounts.sign_up(credentials, clock::now()).await?;
    Ok(respond::json(StatusCode::CREATED, &UserReply::from(&user)))
}

/// Issues an access token: 200.
///
/// # Errors
/// 401 for a wrong password and for an unknown user, alike.
pub async fn log_in(State(app): State<Arc<App>>, body: Fields) -> Result<Response, ApiError> {
    let credentials = credentials(body, Password::given)?;
    let AccessToken { token, expires_in_s } =
        app.accounts.log_in(credentials, clock::now()).await?;
    let reply = LogInReply { access_token: &token, token_type: "Bearer", expires_in: expires_in_s };
    Ok(respond::json(StatusCode::OK, &reply))
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
