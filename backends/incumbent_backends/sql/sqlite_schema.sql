-- Incumbent's tables in a SQLite file, layout 1. The prefix keeps them apart from anybody else's.
-- There is no clock in here: begin_time is for people, and who is dead is judged by those who watch.

-- One row a namespace: the marker (mechanism, layout) and the two counters.
-- last_token is the fencing token drawn last; it never goes back and outlives every term.
-- last_version numbers the changes of terms, so that a watcher finds the new ones quickly.
-- Never delete a row: tokens would start anew. Without its row a namespace grants nothing.
CREATE TABLE IF NOT EXISTS incumbent_namespace (
    name         TEXT    NOT NULL PRIMARY KEY,
    mechanism    TEXT    NOT NULL,
    layout       INTEGER NOT NULL,
    last_token   INTEGER NOT NULL DEFAULT 0 CHECK (typeof(last_token) = 'integer'),
    last_version INTEGER NOT NULL DEFAULT 0 CHECK (typeof(last_version) = 'integer')
) WITHOUT ROWID;

-- One row a living gateway. It lives as long as `renewals` moves: whoever has seen it unchanged for
-- backend_ttl_ms × 1.02 on a clock of its own may delete it, comparing (id, renewals).
CREATE TABLE IF NOT EXISTS incumbent_session (
    namespace      TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    renewals       INTEGER NOT NULL CHECK (typeof(renewals) = 'integer'),
    backend_ttl_ms INTEGER NOT NULL CHECK (typeof(backend_ttl_ms) = 'integer'),
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;

-- One row an election that is or was led. It is vacant when session is NULL or names no session.
CREATE TABLE IF NOT EXISTS incumbent_term (
    namespace      TEXT    NOT NULL,
    election       TEXT    NOT NULL,
    version        INTEGER NOT NULL CHECK (typeof(version) = 'integer'),
    token          INTEGER NOT NULL CHECK (typeof(token) = 'integer'),
    session        TEXT,
    holder         TEXT    NOT NULL,
    attempt        INTEGER NOT NULL CHECK (typeof(attempt) = 'integer'),
    candidate      TEXT    NOT NULL,
    value          BLOB    NOT NULL,
    backend_ttl_ms INTEGER NOT NULL CHECK (typeof(backend_ttl_ms) = 'integer'),
    begin_time     TEXT    NOT NULL,
    PRIMARY KEY (namespace, election)
);

CREATE INDEX IF NOT EXISTS incumbent_term_by_session ON incumbent_term (namespace, session);

CREATE INDEX IF NOT EXISTS incumbent_term_by_version ON incumbent_term (namespace, version);

-- Who leads what, for people: SELECT * FROM incumbent_leaders;
CREATE VIEW IF NOT EXISTS incumbent_leaders AS
SELECT t.namespace, t.election, t.candidate, t.token, t.begin_time, t.session
FROM incumbent_term AS t
JOIN incumbent_session AS s ON s.namespace = t.namespace AND s.id = t.session;
