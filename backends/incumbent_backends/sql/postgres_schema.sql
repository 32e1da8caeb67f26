-- Incumbent's tables in PostgreSQL, for lease rows and for advisory locks, layout 1 of both. Run by a
-- gateway at its start, or by a person where gateways may not (incumbent-server schema postgres). They
-- go where search_path says.
-- There is no clock in here: begin_time is for people, and who is dead is judged by those who watch.
-- Names compare bytewise (COLLATE "C"): no upgrade of a system's locales can break an index.

-- One row a namespace: the marker (mechanism, layout) and the counter of tokens.
-- last_token is the fencing token drawn last; it never goes back and outlives every term.
-- Never delete a row: tokens would start anew. Without its row a namespace grants nothing.
CREATE TABLE IF NOT EXISTS incumbent_namespace (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    mechanism  text             NOT NULL,
    layout     integer          NOT NULL,
    last_token bigint           NOT NULL DEFAULT 0 CHECK (last_token >= 0)
) WITH (fillfactor = 50);

-- One row a living gateway. It lives as long as `renewals` moves: whoever has seen it unchanged for
-- backend_ttl_ms × 1.02 on a clock of its own may delete it, comparing (id, renewals).
CREATE TABLE IF NOT EXISTS incumbent_session (
    namespace      text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    renewals       bigint           NOT NULL,
    backend_ttl_ms bigint           NOT NULL,
    PRIMARY KEY (namespace, id)
) WITH (fillfactor = 50);

-- One row an election that is or was led. It is vacant when session is NULL or names no session.
-- Each change raises version, and only a change makes a vacancy a term: what was vacant at a version
-- is vacant as long as it has that version, because a session that is gone never comes back.
CREATE TABLE IF NOT EXISTS incumbent_term (
    namespace      text COLLATE "C" NOT NULL,
    election       text COLLATE "C" NOT NULL,
    version        bigint           NOT NULL,
    token          bigint           NOT NULL,
    session        text COLLATE "C",
    holder         text             NOT NULL,
    attempt        bigint           NOT NULL,
    candidate      text             NOT NULL,
    value          bytea            NOT NULL,
    backend_ttl_ms bigint           NOT NULL,
    begin_time     timestamptz      NOT NULL,
    PRIMARY KEY (namespace, election)
);

CREATE INDEX IF NOT EXISTS incumbent_term_by_session ON incumbent_term (namespace, session);

-- The same for advisory locks. The lock of key lock_key (a hash of namespace and election) is the
-- right to write the row; it is vacant when session is NULL or does not hold that lock now.
CREATE TABLE IF NOT EXISTS incumbent_lock_term (
    namespace      text COLLATE "C" NOT NULL,
    election       text COLLATE "C" NOT NULL,
    lock_key       bigint           NOT NULL,
    version        bigint           NOT NULL,
    token          bigint           NOT NULL,
    session        text COLLATE "C",
    holder         text             NOT NULL,
    attempt        bigint           NOT NULL,
    candidate      text             NOT NULL,
    value          bytea            NOT NULL,
    backend_ttl_ms bigint           NOT NULL,
    begin_time     timestamptz      NOT NULL,
    PRIMARY KEY (namespace, election)
);

CREATE INDEX IF NOT EXISTS incumbent_lock_term_by_session
    ON incumbent_lock_term (namespace, session);
CREATE INDEX IF NOT EXISTS incumbent_lock_term_by_key ON incumbent_lock_term (lock_key);

-- Which gateway's session holds which keys now. A session's name is that of a lock which it holds as
-- long as it lives, so a process id that comes again is no session that comes again.
-- To end a session by hand: SELECT pg_terminate_backend(pid) FROM incumbent_lock WHERE session = '…';
CREATE OR REPLACE VIEW incumbent_lock AS
WITH held AS MATERIALIZED (
    SELECT pid, objsubid, classid::bigint AS high, objid::bigint AS low
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT (lpad(to_hex(s.high), 8, '0') || lpad(to_hex(s.low), 8, '0')) COLLATE "C" AS session,
       s.pid,
       (e.high << 32) | e.low AS lock_key
FROM held AS s
LEFT JOIN held AS e ON e.pid = s.pid AND e.objsubid = 1
WHERE s.objsubid = 2;

-- Who leads what, for people: SELECT * FROM incumbent_leaders;
CREATE OR REPLACE VIEW incumbent_leaders AS
SELECT t.namespace, t.election, t.candidate, t.token, t.begin_time, t.session
FROM incumbent_term AS t
JOIN incumbent_session AS s ON s.namespace = t.namespace AND s.id = t.session
UNION ALL
SELECT t.namespace, t.election, t.candidate, t.token, t.begin_time, t.session
FROM incumbent_lock_term AS t
JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session;
