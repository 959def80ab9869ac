-- What access tokens are signed with. All are published; the one of the highest generation signs.
-- Generations count 1, 2, 3…: of two processes that add the same one, the database lets one win.
CREATE TABLE signing_keys (
    generation    BIGINT PRIMARY KEY,
    seed          TEXT   NOT NULL,                                                -- the 32 secret bytes, base64url
    created_at_ms BIGINT NOT NULL
);
