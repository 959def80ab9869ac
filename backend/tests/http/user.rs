//! A logged-in user, whose requests carry the access token.

use super::backend::{Backend, PAYMENT_TOKEN};
use super::client::{Reply, Request};
use serde_json::{Value, json};

/// The password of users whose password does not matter.
pub(crate) const PASSWORD: &str = "12345678";

/// A user's session.
pub(crate) struct User<'a> {
    pub(crate) backend: &'a Backend,
    /// The access token.
    pub(crate) access: String,
    /// The refresh token.
    pub(crate) refresh: String,
}

impl Backend {
    /// Signs up and logs in.
    pub(crate) fn user(&self, email: &str) -> User<'_> {
        self.sign_up(email, PASSWORD);
        self.log_in(email, PASSWORD)
    }

    /// Logs in. Panics on failure.
    pub(crate) fn log_in(&self, email: &str, password: &str) -> User<'_> {
        let reply = self.post_credentials("/api/auth/login", email, password);
        assert_eq!(reply.status, 200, "{}", reply.show(&[]));
        self.with_tokens(&reply)
    }

    /// Returns a session with the tokens in this reply.
    pub(crate) fn with_tokens(&self, reply: &Reply) -> User<'_> {
        let tokens = reply.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        User { backend: self, access: text("access_token"), refresh: text("refresh_token") }
    }

    /// Sends a refresh token.
    pub(crate) fn refresh(&self, token: &str) -> Reply {
        self.post("/api/auth/refresh", json!({ "refresh_token": token }).to_string())
    }
}

impl User<'_> {
    /// Builds a request with the access token.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        self.backend.request(method, path).bearer(&self.access)
    }

    /// Sends a `GET`.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    /// Sends a request with a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.request(method, path).json(body.to_string()).send()
    }

    /// Changes the plan like the operator's payment system does.
    pub(crate) fn subscribe(&self, tier: &str) -> Reply {
        let request = self.request("PUT", "/api/subscription");
        request
            .header("Payment-Token", PAYMENT_TOKEN)
            .json(json!({ "tier": tier }).to_string())
            .send()
    }

    /// Sends `GET /api/me`.
    pub(crate) fn me(&self) -> Reply {
        self.get("/api/me")
    }

    /// Refreshes the tokens. Panics on failure.
    pub(crate) fn refreshed(&self) -> Self {
        let reply = self.backend.refresh(&self.refresh);
        assert_eq!(reply.status, 200, "{}", reply.show(&[]));
        let User { access, refresh, .. } = self.backend.with_tokens(&reply);
        Self { backend: self.backend, access, refresh }
    }
}
