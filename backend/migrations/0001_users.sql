-- Who can log in. Times are Unix milliseconds; every type is one that SQLite and PostgreSQL share.
CREATE TABLE users (
    id            TEXT   PRIMARY KEY,                                             -- a UUID
    email         TEXT   NOT NULL UNIQUE,                                         -- normalized: trimmed, lower case
    password_hash TEXT   NOT NULL,                                                -- a PHC string, with its own parameters
    tier          TEXT   NOT NULL CHECK (tier IN ('free', 'starter', 'pro')),
    created_at_ms BIGINT NOT NULL
);
