//! The bodies that handlers read without a dedicated type, for the OpenAPI document only.
//! [`crate::fields::Fields`] parses most of them, and [`resume::document::edit`] parses patches.

use super::fields;
use crate::user::Tier;
use serde_json::Value;
use utoipa::ToSchema;

/// An e-mail address and a password for a new account.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCredentials)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct NewCredentialsBody {
    #[schema(schema_with = fields::email)]
    email: String,
    #[schema(schema_with = fields::chosen_password)]
    password: String,
}

/// An e-mail address and a password for login.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credentials)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct CredentialsBody {
    #[schema(schema_with = fields::email)]
    email: String,
    #[schema(schema_with = fields::given_password)]
    password: String,
}

/// A refresh token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refresh)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct RefreshBody {
    #[schema(schema_with = fields::refresh_token)]
    refresh_token: String,
}

/// The current password and the new one.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct NewPasswordBody {
    #[schema(schema_with = fields::given_password)]
    current_password: String,
    #[schema(schema_with = fields::chosen_password)]
    new_password: String,
}

/// The caller's password, which irreversible changes require.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Password)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct PasswordBody {
    #[schema(schema_with = fields::given_password)]
    password: String,
}

/// The chosen plan.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanChoice)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct TierBody {
    tier: Tier,
}

/// A JSON Patch (RFC 6902). Its operations are applied all or nothing.
#[derive(ToSchema)]
#[schema(as = JsonPatch, max_items = 100)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct JsonPatchBody(Vec<Operation>);

/// One operation of a JSON Patch.
#[derive(ToSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
#[schema(as = JsonPatchOperation)]
#[expect(dead_code, reason = "describes a body")]
enum Operation {
    /// Inserts a value at `path`.
    Add {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
    /// Removes the value at `path`.
    Remove {
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Replaces the value at `path`.
    Replace {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
    /// Moves a value.
    Move {
        #[schema(schema_with = fields::pointer)]
        from: String,
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Copies a value.
    Copy {
        #[schema(schema_with = fields::pointer)]
        from: String,
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Fails the patch unless `path` has this value.
    Test {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
}
