//! `GET /.well-known/jwks.json`: the keys that verify tokens (RFC 7517).

use crate::app::App;
use crate::respond;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;
use utoipa::ToSchema;

/// Lets clients cache the keys for five minutes. A new key is published at least this long before
/// it signs.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The published key set, for the OpenAPI document only.
#[derive(ToSchema)]
#[schema(as = JwkSet)]
#[expect(dead_code, reason = "describes a reply")]
struct Reply {
    keys: Vec<Key>,
}

/// An Ed25519 key (RFC 8037).
#[derive(ToSchema)]
#[schema(as = Jwk)]
#[expect(dead_code, reason = "describes a reply")]
struct Key {
    #[schema(pattern = "^EdDSA$")]
    alg: String,
    #[schema(pattern = "^Ed25519$")]
    crv: String,
    /// The key's id, which tokens name.
    kid: String,
    #[schema(pattern = "^OKP$")]
    kty: String,
    #[serde(rename = "use")]
    #[schema(pattern = "^sig$")]
    usage: String,
    x: String,
}

/// Returns the public halves of all signing keys.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "accounts",
    responses((
        status = 200, description = "The keys", body = Reply,
        headers(("Cache-Control" = String, description = "The time that the keys can be cached")),
    ))
)]
pub(crate) async fn jwks(State(app): State<Arc<App>>) -> Response {
    let mut response = respond::json(StatusCode::OK, app.accounts.keys().published());
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}
