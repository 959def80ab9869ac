-- What users write. Each change makes a new version; a change names the version that it is of.
CREATE TABLE resumes (
    id            TEXT   PRIMARY KEY,                                             -- a UUID, in the order of creation
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    version       BIGINT NOT NULL,
    name          TEXT   NOT NULL,                                                -- of the document, for lists
    label         TEXT   NOT NULL,                                                -- the same
    document      TEXT   NOT NULL,                                                -- JSON Resume
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);
CREATE INDEX resumes_by_user ON resumes (user_id, id);
-- How many of them a user has: counted where it is bounded, so that it is exact.
ALTER TABLE users ADD COLUMN resumes BIGINT NOT NULL DEFAULT 0;
