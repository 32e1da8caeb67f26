-- What the lease-row driver says to PostgreSQL. Each statement commits by itself (READ COMMITTED), so
-- a gateway that is frozen between two of them holds no lock. Parameters are named.

-- leftovers --
-- Terms of a namespace without its counter: somebody deleted it.
SELECT EXISTS (SELECT FROM incumbent_term WHERE namespace = %(namespace)s)

-- raise_counter --
-- At start only: a counter lowered by hand goes up to what the terms prove.
UPDATE incumbent_namespace AS n
SET last_token = top.token
FROM (SELECT max(token) AS token FROM incumbent_term WHERE namespace = %(namespace)s) AS top
WHERE n.name = %(namespace)s AND n.last_token < top.token

-- open_session --
-- Only beside the namespace's counter: without it nothing could be granted.
INSERT INTO incumbent_session (namespace, id, renewals, backend_ttl_ms)
SELECT name, %(session)s, 0, %(backend_ttl_ms)s
FROM incumbent_namespace WHERE name = %(namespace)s
RETURNING id

-- close_session --
-- A session with terms stays: they may move, or end with it.
DELETE FROM incumbent_session AS s
WHERE s.namespace = %(namespace)s AND s.id = %(session)s
  AND NOT EXISTS (SELECT FROM incumbent_term AS t
                  WHERE t.namespace = s.namespace AND t.session = s.id)

-- renew --
-- An update, never an upsert: what was killed stays dead. No row: the session is gone. Else one row
-- for each term that hangs on it, or a single row of nulls.
WITH renewed AS (
    UPDATE incumbent_session
    SET renewals = renewals + 1, backend_ttl_ms = %(backend_ttl_ms)s
    WHERE namespace = %(namespace)s AND id = %(session)s
    RETURNING namespace, id
)
SELECT t.election, t.token, t.version
FROM renewed AS r
LEFT JOIN incumbent_term AS t ON t.namespace = r.namespace AND t.session = r.id

-- end_terms --
-- What nobody wants any more, as it was listed: a version that has changed saves it. A row that
-- somebody has locked is left for the next time, so that no rival delays a renewal.
WITH unwanted AS (
    SELECT t.namespace, t.election
    FROM incumbent_term AS t
    JOIN unnest(%(elections)s::text[], %(tokens)s::bigint[], %(versions)s::bigint[])
         AS u (election, token, version)
      ON u.election = t.election AND u.token = t.token AND u.version = t.version
    WHERE t.namespace = %(namespace)s AND t.session = %(session)s
    FOR UPDATE OF t SKIP LOCKED
)
UPDATE incumbent_term AS t
SET session = NULL, version = t.version + 1
FROM unwanted AS u
WHERE t.namespace = u.namespace AND t.election = u.election
RETURNING t.election, t.token

-- standing --
-- Why a bid could not be written: is the session there, and the counter?
SELECT EXISTS (SELECT FROM incumbent_session
               WHERE namespace = %(namespace)s AND id = %(session)s),
       EXISTS (SELECT FROM incumbent_namespace WHERE name = %(namespace)s)

-- read --
SELECT t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
       t.backend_ttl_ms, t.begin_time::text, s.id IS NOT NULL
FROM incumbent_term AS t
LEFT JOIN incumbent_session AS s ON s.namespace = t.namespace AND s.id = t.session
WHERE t.namespace = %(namespace)s AND t.election = %(election)s

-- first_record --
-- A vacant row to bid for. Losers wait for nobody's open transaction longer than for its insert.
INSERT INTO incumbent_term (
    namespace, election, version, token, holder, attempt, candidate, value, backend_ttl_ms, begin_time
)
SELECT name, %(election)s, 0, 0, '', 0, '', '', 0, 'epoch'
FROM incumbent_namespace WHERE name = %(namespace)s
ON CONFLICT (namespace, election) DO NOTHING

-- begin_term --
-- Win the vacancy that was read at this version: a rival's win has raised it. In this order: the
-- election's row is locked and compared, our session is held alive until the commit (FOR KEY SHARE:
-- against its deletion, not against its renewal), the token is drawn, the term is written.
WITH held AS MATERIALIZED (
    SELECT token FROM incumbent_term
    WHERE namespace = %(namespace)s AND election = %(election)s
      AND version = %(version)s AND token = %(seen)s
    FOR UPDATE
), me AS MATERIALIZED (
    SELECT s.id FROM held, incumbent_session AS s
    WHERE s.namespace = %(namespace)s AND s.id = %(session)s
    FOR KEY SHARE OF s
), drawn AS (
    UPDATE incumbent_namespace AS n
    SET last_token = greatest(n.last_token, held.token) + 1
    FROM held, me
    WHERE n.name = %(namespace)s
    RETURNING n.last_token
)
UPDATE incumbent_term AS t
SET version = t.version + 1, token = drawn.last_token, session = %(session)s, holder = %(holder)s,
    attempt = %(attempt)s, candidate = %(candidate)s, value = %(value)s,
    backend_ttl_ms = %(backend_ttl_ms)s, begin_time = %(begin_time)s
FROM drawn
WHERE t.namespace = %(namespace)s AND t.election = %(election)s
RETURNING t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
          t.backend_ttl_ms, t.begin_time::text

-- change_term --
-- Our own term on our own session, as it was read: a new value, a higher attempt.
WITH me AS MATERIALIZED (
    SELECT id FROM incumbent_session
    WHERE namespace = %(namespace)s AND id = %(session)s
    FOR KEY SHARE
)
UPDATE incumbent_term AS t
SET version = t.version + 1, attempt = %(attempt)s, value = coalesce(%(value)s::bytea, t.value)
FROM me
WHERE t.namespace = %(namespace)s AND t.election = %(election)s
  AND t.version = %(version)s AND t.token = %(seen)s AND t.session = me.id
RETURNING t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
          t.backend_ttl_ms, t.begin_time::text

-- move_term --
-- From another session to ours, as it was read. The other one is held alive until the commit, or a
-- dead term would be revived. Then ours is renewed, for no less than the term was promised.
WITH other AS MATERIALIZED (
    SELECT id FROM incumbent_session
    WHERE namespace = %(namespace)s AND id = %(from)s
    FOR KEY SHARE
), held AS MATERIALIZED (
    SELECT t.backend_ttl_ms
    FROM other, incumbent_term AS t
    WHERE t.namespace = %(namespace)s AND t.election = %(election)s
      AND t.version = %(version)s AND t.token = %(seen)s AND t.session = other.id
    FOR UPDATE OF t
), me AS (
    UPDATE incumbent_session AS s
    SET renewals = s.renewals + 1,
        backend_ttl_ms = greatest(s.backend_ttl_ms, held.backend_ttl_ms, %(backend_ttl_ms)s)
    FROM held
    WHERE s.namespace = %(namespace)s AND s.id = %(session)s
    RETURNING s.id
)
UPDATE incumbent_term AS t
SET version = t.version + 1, session = me.id, attempt = %(attempt)s,
    value = coalesce(%(value)s::bytea, t.value),
    backend_ttl_ms = greatest(t.backend_ttl_ms, %(backend_ttl_ms)s)
FROM me
WHERE t.namespace = %(namespace)s AND t.election = %(election)s
RETURNING t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
          t.backend_ttl_ms, t.begin_time::text

-- end_term --
-- Exactly this (election, token, session). Also works where the namespace's row is gone.
UPDATE incumbent_term
SET session = NULL, version = version + 1
WHERE namespace = %(namespace)s AND election = %(election)s
  AND token = %(token)s AND session = %(session)s

-- kill_session --
-- Compare-and-swap on what was watched: a renewal in between saves it. One that somebody holds, to
-- renew it or to win on it, is left alone; so this waits for nobody.
DELETE FROM incumbent_session
WHERE namespace = %(namespace)s AND renewals = %(renewals)s
  AND id IN (SELECT id FROM incumbent_session
             WHERE namespace = %(namespace)s AND id = %(session)s AND renewals = %(renewals)s
             FOR UPDATE SKIP LOCKED)
RETURNING id

-- sweep --
-- Forget elections that were vacant at these versions, thus still are; tokens live on in the counter.
DELETE FROM incumbent_term AS t
USING (
    SELECT v.election, v.version
    FROM incumbent_term AS v
    JOIN unnest(%(elections)s::text[], %(versions)s::bigint[]) AS seen (election, version)
      ON seen.election = v.election AND seen.version = v.version
    WHERE v.namespace = %(namespace)s
    FOR UPDATE OF v SKIP LOCKED
) AS vacant
WHERE t.namespace = %(namespace)s
  AND t.election = vacant.election AND t.version = vacant.version

-- sessions --
SELECT id, renewals, backend_ttl_ms FROM incumbent_session WHERE namespace = %(namespace)s

-- digest --
-- All that the outline lists, in 64 characters: the same as before means that nothing has changed.
SELECT encode(sha256(convert_to(coalesce(
    string_agg(concat_ws(' ', election, version, token, coalesce(session, '-'), attempt), E'\n'
               ORDER BY election), ''), 'UTF8')), 'hex')
FROM incumbent_term WHERE namespace = %(namespace)s

-- outline --
-- One short line a term, to compare with what is known.
SELECT election, version, token, session, attempt
FROM incumbent_term WHERE namespace = %(namespace)s

-- rows_of --
SELECT election, version, token, session, holder, attempt, candidate, value,
       backend_ttl_ms, begin_time::text
FROM incumbent_term
WHERE namespace = %(namespace)s AND election = ANY(%(elections)s)
