//! Who asks, as a request's token and the database have it.

use crate::user::{Tier, User};
use crate::user_secret::UserSecret;
use uuid::Uuid;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user, as they are now.
    pub user: User,
    /// The session that their token belongs to.
    pub session_id: Uuid,
    /// Their plan as the token tells it: the one that the gateway counts by.
    pub token_tier: Tier,
    /// What their cached entries are sealed with and named by.
    pub secret: UserSecret,
    /// How often what is theirs and may be cached had changed when this request came: the version
    /// of such entries.
    pub revision: u64,
}
