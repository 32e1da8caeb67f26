-- What the SQLite driver says to its file, one statement a step. Parameters are named.
-- Lists come back as one JSON text: one step of SQLite, so one hand-over of the interpreter's lock
-- however many rows there are.

-- marker --
-- Write the namespace's marker once; who comes second compares.
INSERT INTO incumbent_namespace (name, mechanism, layout)
VALUES (:namespace, :mechanism, :layout)
ON CONFLICT (name) DO NOTHING

-- marked --
SELECT mechanism, layout FROM incumbent_namespace WHERE name = :namespace

-- leftovers --
-- Terms of a namespace without its counter: somebody deleted it.
SELECT EXISTS (SELECT 1 FROM incumbent_term WHERE namespace = :namespace)
    AND NOT EXISTS (SELECT 1 FROM incumbent_namespace WHERE name = :namespace)

-- raise_counters --
-- At start only: a counter lowered by hand goes up to what the terms prove.
UPDATE incumbent_namespace
SET last_token = max(last_token, top.token), last_version = max(last_version, top.version)
FROM (SELECT max(token) AS token, max(version) AS version
      FROM incumbent_term WHERE namespace = :namespace) AS top
WHERE name = :namespace AND (last_token < top.token OR last_version < top.version)

-- open_session --
-- Only beside the namespace's counter: without it nothing could be granted.
INSERT INTO incumbent_session (namespace, id, renewals, backend_ttl_ms)
SELECT name, :session, 0, :backend_ttl_ms FROM incumbent_namespace WHERE name = :namespace

-- close_session --
-- A session with terms stays: they may move, or end with it.
DELETE FROM incumbent_session
WHERE namespace = :namespace AND id = :session
  AND NOT EXISTS (SELECT 1 FROM incumbent_term WHERE namespace = :namespace AND session = :session)

-- renew --
-- An update, never an upsert: what was killed stays dead.
UPDATE incumbent_session
SET renewals = renewals + 1, backend_ttl_ms = :backend_ttl_ms
WHERE namespace = :namespace AND id = :session

-- hanging --
-- All that hangs on a session.
SELECT json_group_array(json_array(election, token))
FROM incumbent_term WHERE namespace = :namespace AND session = :session

-- lengthen --
-- Renew, and keep the session for no less than a term that moves here was promised.
UPDATE incumbent_session
SET renewals = renewals + 1, backend_ttl_ms = max(backend_ttl_ms, :backend_ttl_ms)
WHERE namespace = :namespace AND id = :session

-- session_lives --
SELECT EXISTS (SELECT 1 FROM incumbent_session WHERE namespace = :namespace AND id = :session)

-- read --
SELECT t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate,
       CAST(t.value AS BLOB), t.backend_ttl_ms, t.begin_time, s.id IS NOT NULL
FROM incumbent_term AS t
LEFT JOIN incumbent_session AS s ON s.namespace = t.namespace AND s.id = t.session
WHERE t.namespace = :namespace AND t.election = :election

-- draw_token --
-- Drawn under the write lock. :seen is the election's last token, should the counter be behind it.
UPDATE incumbent_namespace
SET last_token = max(last_token, :seen) + 1, last_version = last_version + 1
WHERE name = :namespace
RETURNING last_token

-- next_version --
UPDATE incumbent_namespace SET last_version = last_version + 1 WHERE name = :namespace

-- begin_term --
-- Under the write lock and over a vacancy only.
INSERT OR REPLACE INTO incumbent_term (
    namespace, election, version, token, session, holder, attempt, candidate, value,
    backend_ttl_ms, begin_time
)
SELECT name, :election, last_version, :token, :session, :holder, :attempt, :candidate, :value,
       :backend_ttl_ms, :begin_time
FROM incumbent_namespace WHERE name = :namespace

-- change_term --
-- Proclaim or move; the token, the candidate and the beginning stay.
UPDATE incumbent_term
SET session = :session, attempt = :attempt, value = coalesce(:value, value),
    backend_ttl_ms = max(backend_ttl_ms, :backend_ttl_ms),
    version = (SELECT last_version FROM incumbent_namespace WHERE name = :namespace)
WHERE namespace = :namespace AND election = :election AND token = :token

-- end_term --
-- Exactly this (election, token, session). Also works where the namespace's row is gone.
UPDATE incumbent_term
SET session = NULL,
    version = coalesce((SELECT last_version FROM incumbent_namespace WHERE name = :namespace),
                       version + 1)
WHERE namespace = :namespace AND election = :election AND token = :token AND session = :session

-- kill_session --
-- Compare-and-swap on what was watched: a renewal in between saves it.
DELETE FROM incumbent_session
WHERE namespace = :namespace AND id = :session AND renewals = :renewals

-- sweep --
-- Forget vacant elections; their tokens live on in the counter.
DELETE FROM incumbent_term
WHERE namespace = :namespace AND version <= :version
  AND (session IS NULL
       OR session NOT IN (SELECT id FROM incumbent_session WHERE namespace = :namespace))

-- sessions --
SELECT id, renewals, backend_ttl_ms FROM incumbent_session WHERE namespace = :namespace

-- changes --
-- The quick look: what was written since the highest version seen. A hint, never the truth.
SELECT json_group_array(json_array(
    election, version, token, session, holder, attempt, candidate, hex(value),
    backend_ttl_ms, begin_time))
FROM incumbent_term WHERE namespace = :namespace AND version > :version

-- outline --
-- The whole look: one short line a term, to compare with what is known.
SELECT json_group_array(json_array(election, version, token, session, attempt))
FROM incumbent_term WHERE namespace = :namespace

-- rows_of --
-- Whole rows of the elections in a JSON list.
SELECT json_group_array(json_array(
    election, version, token, session, holder, attempt, candidate, hex(value),
    backend_ttl_ms, begin_time))
FROM incumbent_term
WHERE namespace = :namespace AND election IN (SELECT value FROM json_each(:elections))

-- shape --
-- Tables and columns that carry our prefix.
SELECT m.name, c.name, upper(c.type), c."notnull", c.pk
FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
WHERE m.type = 'table' AND m.name LIKE 'incumbent\_%' ESCAPE '\'
ORDER BY m.name, c.cid
