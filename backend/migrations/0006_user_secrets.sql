-- What a user's cached entries are sealed with. Gone with the user: what was sealed with it cannot
-- be read from then on.
CREATE TABLE user_secrets (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret  TEXT NOT NULL                                                         -- 32 random bytes, base64url
);
-- Counts the changes of what is the user's and may be cached, in the transactions that make them: a
-- cached value of another revision is not used.
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
