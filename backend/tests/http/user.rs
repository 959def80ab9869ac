//! A user who is logged in: what they send carries their token.

use super::backend::{Backend, PAYMENT_TOKEN};
use super::client::{Reply, Request};
use serde_json::{Value, json};

/// The password of everyone whose password does not matter.
pub(crate) const PASSWORD: &str = "12345678";

/// One session of one user.
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

    /// Logs in; panics unless that works.
    pub(crate) fn log_in(&self, email: &str, password: &str) -> User<'_> {
        let reply = self.post_credentials("/api/auth/login", email, password);
        assert_eq!(reply.status, 200, "{}", reply.show(&[]));
        self.with_tokens(&reply)
    }

    /// The session that this reply's tokens are for.
    pub(crate) fn with_tokens(&self, reply: &Reply) -> User<'_> {
        let tokens = reply.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        User { backend: self, access: text("access_token"), refresh: text("refresh_token") }
    }

    /// `POST` of a refresh token.
    pub(crate) fn refresh(&self, token: &str) -> Reply {
        self.post("/api/auth/refresh", json!({ "refresh_token": token }).to_string())
    }
}

impl User<'_> {
    /// A request with the token.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        self.backend.request(method, path).bearer(&self.access)
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    /// A request with a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.request(method, path).json(body.to_string()).send()
    }

    /// Changes the plan, as the operator's payment system does.
    pub(crate) fn subscribe(&self, tier: &str) -> Reply {
        let request = self.request("PUT", "/api/subscription");
        request
            .header("Payment-Token", PAYMENT_TOKEN)
            .json(json!({ "tier": tier }).to_string())
            .send()
    }

    /// `GET /api/me`.
    pub(crate) fn me(&self) -> Reply {
        self.get("/api/me")
    }

    /// Uses the refresh token: the next tokens; panics unless that works.
    pub(crate) fn refreshed(&self) -> Self {
        let reply = self.backend.refresh(&self.refresh);
        assert_eq!(reply.status, 200, "{}", reply.show(&[]));
        let User { access, refresh, .. } = self.backend.with_tokens(&reply);
        Self { backend: self.backend, access, refresh }
    }
}
