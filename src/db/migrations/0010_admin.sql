-- What administrators did, kept whatever becomes of those it was about.
CREATE TABLE audit (
    pk {key},
    at {int} NOT NULL,
    actor {id} NOT NULL,
    actor_name {name} NOT NULL,
    address {id} NOT NULL,
    action {id} NOT NULL,
    subject {name} NOT NULL,
    detail {text} NOT NULL
);
CREATE INDEX audit_action ON audit (action, pk);
CREATE INDEX audit_actor ON audit (actor, pk);

-- What is decided while the server runs and outranks its configuration.
CREATE TABLE settings (
    name {id} NOT NULL PRIMARY KEY,
    value {text} NOT NULL,
    updated_at {int} NOT NULL
);
