-- Who is logged in where. A session ends by being deleted: an access token names its session, and
-- is good only while that is there.
CREATE TABLE sessions (
    id            TEXT   PRIMARY KEY,                                             -- a UUID
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation    BIGINT NOT NULL,                                                -- of its newest refresh token
    created_at_ms BIGINT NOT NULL,
    ends_at_ms    BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

-- What continues a session, each once. A used one stays, so that its second use is noticed.
CREATE TABLE refresh_tokens (
    hash       TEXT   PRIMARY KEY,                                                -- SHA-256 of the token, hex
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    used       BIGINT NOT NULL CHECK (used IN (0, 1))
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id, generation);
