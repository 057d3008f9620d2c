-- A purge raises a counter that is part of every cache key beneath it, so it outlives a restart and reaches entries
-- on disk that nobody can list. Each row knows in which purge it was raised last, so that running servers ask only
-- for what is new to them.
CREATE TABLE generations (
    scope {id} NOT NULL CHECK (scope IN ('image', 'tag', 'source', 'prefix', 'all')),
    name {name} NOT NULL,
    counter {int} NOT NULL,
    seq {int} NOT NULL,
    PRIMARY KEY (scope, name)
);
CREATE INDEX generations_seq ON generations (seq);
INSERT INTO counters (name, value) VALUES ('purges', 1);
