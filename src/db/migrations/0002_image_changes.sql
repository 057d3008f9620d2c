-- Every change of a row of `images`, in the order of the commits, so that processes that keep rows in memory learn
-- which of them are old. The counter is raised first in each transaction: its row lock makes the numbers follow the
-- order of the commits on every engine.
CREATE TABLE counters (
    name {id} NOT NULL PRIMARY KEY,
    value {int} NOT NULL
);
INSERT INTO counters (name, value) VALUES ('image_changes', 0);

CREATE TABLE image_changes (
    seq {int} NOT NULL PRIMARY KEY,
    id {id} NOT NULL
);
