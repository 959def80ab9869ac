-- From when on a key signs: it is published before that, so that caches have seen it by then.
ALTER TABLE signing_keys ADD COLUMN signs_from_ms BIGINT NOT NULL DEFAULT 0;
