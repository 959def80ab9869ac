//! What bodies hold that are read without a type of their own, for the document only:
//! [`crate::fields::Fields`] takes most of them apart, and [`resume::document::edit`] reads a patch.

use super::fields;
use crate::user::Tier;
use serde_json::Value;
use utoipa::ToSchema;

/// An address and a password, to sign up with.
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

/// An address and a password, to log in with.
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

/// The password that is, and the one that is to be.
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

/// The caller's password, for what cannot be undone.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Password)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct PasswordBody {
    #[schema(schema_with = fields::given_password)]
    password: String,
}

/// The plan that is chosen.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanChoice)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) struct TierBody {
    tier: Tier,
}

/// A JSON Patch (RFC 6902): all of its operations are done, or none.
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
    /// Puts a value there.
    Add {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
    /// Takes away what is there.
    Remove {
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Puts a value in the place of what is there.
    Replace {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
    /// Takes it from one place to another.
    Move {
        #[schema(schema_with = fields::pointer)]
        from: String,
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Puts the same in another place.
    Copy {
        #[schema(schema_with = fields::pointer)]
        from: String,
        #[schema(schema_with = fields::pointer)]
        path: String,
    },
    /// Goes on only if this is there.
    Test {
        #[schema(schema_with = fields::pointer)]
        path: String,
        value: Value,
    },
}
