//! The caller of a request, from its token and the database.

use crate::user::{Tier, User};
use crate::user_secret::UserSecret;
use uuid::Uuid;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's current state.
    pub user: User,
    /// The token's session.
    pub session_id: Uuid,
    /// The plan in the token, which is the one the gateway counts by.
    pub token_tier: Tier,
    /// The secret that names and encrypts the user's cache entries.
    pub secret: UserSecret,
    /// The number of changes to the user's cacheable data when the request arrived. It versions the
    /// cache entries.
    pub revision: u64,
}
