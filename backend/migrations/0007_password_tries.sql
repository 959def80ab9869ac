-- How often passwords may be tried: a bucket of tries for each address that someone logs in with, and
-- for each user who is asked for theirs again. A row whose time has come says nothing, and goes.
CREATE TABLE password_tries (
    who        TEXT   PRIMARY KEY,                                                -- SHA-256 of an address or a user's id, hex
    full_at_ms BIGINT NOT NULL                                                    -- when the bucket is full again
);
CREATE INDEX password_tries_by_time ON password_tries (full_at_ms);
