-- Prefixes of paths are purged too, and each row knows in which purge it was raised last, so that running servers ask
-- only for what is new to them. SQLite cannot change a CHECK, so the table is made again.
CREATE TABLE purged (
    scope TEXT NOT NULL CHECK (scope IN ('image', 'tag', 'source', 'prefix', 'all')),
    name TEXT NOT NULL,
    counter INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);
INSERT INTO purged (scope, name, counter, seq) SELECT scope, name, counter, 1 FROM generations;
DROP TABLE generations;
ALTER TABLE purged RENAME TO generations;
CREATE INDEX generations_seq ON generations (seq);
INSERT INTO counters (name, value) VALUES ('purges', 1);
