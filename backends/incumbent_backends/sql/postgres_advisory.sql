-- What the advisory-lock driver says to PostgreSQL: on its session's own connection, under the locks
-- that this holds, and on others what needs no lock. Each statement commits by itself (READ COMMITTED).
-- Parameters are named.

-- leftovers --
-- Terms of a namespace without its counter: somebody deleted it.
SELECT EXISTS (SELECT FROM incumbent_lock_term WHERE namespace = %(namespace)s)

-- raise_counter --
-- At start only: a counter lowered by hand goes up to what the terms prove.
UPDATE incumbent_namespace AS n
SET last_token = top.token
FROM (SELECT max(token) AS token FROM incumbent_lock_term WHERE namespace = %(namespace)s) AS top
WHERE n.name = %(namespace)s AND n.last_token < top.token

-- settle_session --
-- The server itself frees the locks of a gateway that is silent for its ttl. None of these may end the
-- session sooner; TCP's own find a peer whose network is gone while an answer is on its way.
SELECT set_config('idle_session_timeout', %(ttl_ms)s, false),
       set_config('idle_in_transaction_session_timeout', %(ttl_ms)s, false),
       set_config('tcp_user_timeout', %(ttl_ms)s, false),
       set_config('tcp_keepalives_idle', %(probe_s)s, false),
       set_config('tcp_keepalives_interval', %(probe_s)s, false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('client_connection_check_interval', '500', false),
       set_config('statement_timeout', %(statement_ms)s, false),
       set_config('lock_timeout', %(lock_ms)s, false)

-- ceiling --
-- How many locks the whole server has room for, at least.
SELECT current_setting('max_locks_per_transaction')::bigint
       * (current_setting('max_connections')::bigint
          + current_setting('max_prepared_transactions')::bigint)

-- take_session --
-- The lock that names the session: of two integers, so it never meets an election's.
SELECT pg_try_advisory_lock(%(high)s::integer, %(low)s::integer)

-- take --
SELECT pg_try_advisory_lock(%(key)s::bigint)

-- give_back --
-- false: it was not held.
SELECT key, pg_advisory_unlock(key) FROM unnest(%(keys)s::bigint[]) AS key

-- give_back_all --
SELECT pg_advisory_unlock_all()

-- read --
SELECT t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
       t.backend_ttl_ms, t.begin_time::text, l.session IS NOT NULL
FROM incumbent_lock_term AS t
LEFT JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session
WHERE t.namespace = %(namespace)s AND t.election = %(election)s

-- alias --
-- Another election that is led now under the same key.
SELECT t.namespace, t.election
FROM incumbent_lock_term AS t
JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session
WHERE t.lock_key = %(key)s AND (t.namespace, t.election) != (%(namespace)s, %(election)s)
LIMIT 1

-- begin_term --
-- Under the election's lock, so nobody else writes its row: draw the token, write who leads.
WITH drawn AS (
    UPDATE incumbent_namespace AS n
    SET last_token = greatest(n.last_token, (
            SELECT token FROM incumbent_lock_term
            WHERE namespace = %(namespace)s AND election = %(election)s
        )) + 1
    WHERE n.name = %(namespace)s
    RETURNING n.last_token
)
INSERT INTO incumbent_lock_term AS t (
    namespace, election, lock_key, version, token, session, holder, attempt, candidate, value,
    backend_ttl_ms, begin_time
)
SELECT %(namespace)s, %(election)s, %(key)s, 1, last_token, %(session)s, %(holder)s, %(attempt)s,
       %(candidate)s, %(value)s, %(backend_ttl_ms)s, %(begin_time)s
FROM drawn
ON CONFLICT (namespace, election) DO UPDATE
SET lock_key = excluded.lock_key, version = t.version + 1, token = excluded.token,
    session = excluded.session, holder = excluded.holder, attempt = excluded.attempt,
    candidate = excluded.candidate, value = excluded.value,
    backend_ttl_ms = excluded.backend_ttl_ms, begin_time = excluded.begin_time
RETURNING t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
          t.backend_ttl_ms, t.begin_time::text

-- change_term --
-- Our own term: a new value, a higher attempt.
UPDATE incumbent_lock_term AS t
SET version = t.version + 1, attempt = %(attempt)s, value = coalesce(%(value)s::bytea, t.value)
WHERE t.namespace = %(namespace)s AND t.election = %(election)s
  AND t.token = %(token)s AND t.session = %(session)s
RETURNING t.election, t.version, t.token, t.session, t.holder, t.attempt, t.candidate, t.value,
          t.backend_ttl_ms, t.begin_time::text

-- hanging --
-- What hangs on the session. It is also its heartbeat: whatever is said keeps the session.
SELECT election, token
FROM incumbent_lock_term
WHERE namespace = %(namespace)s AND session = %(session)s

-- end_terms --
-- Exactly these (election, token) of this session; its locks are given back after that.
UPDATE incumbent_lock_term AS t
SET session = NULL, version = t.version + 1
FROM unnest(%(elections)s::text[], %(tokens)s::bigint[]) AS u (election, token)
WHERE t.namespace = %(namespace)s AND t.session = %(session)s
  AND t.election = u.election AND t.token = u.token
RETURNING t.election

-- end_session --
UPDATE incumbent_lock_term
SET session = NULL, version = version + 1
WHERE namespace = %(namespace)s AND session = %(session)s
RETURNING election

-- sweep --
-- Forget elections that were vacant at these versions, thus still are: a session that lost its lock
-- never has it back without a new version. Tokens live on in the counter.
DELETE FROM incumbent_lock_term AS t
USING (
    SELECT v.election, v.version
    FROM incumbent_lock_term AS v
    JOIN unnest(%(elections)s::text[], %(versions)s::bigint[]) AS seen (election, version)
      ON seen.election = v.election AND seen.version = v.version
    WHERE v.namespace = %(namespace)s
    FOR UPDATE OF v SKIP LOCKED
) AS vacant
WHERE t.namespace = %(namespace)s
  AND t.election = vacant.election AND t.version = vacant.version

-- sessions --
SELECT DISTINCT session FROM incumbent_lock

-- digest --
-- All that the outline lists, in 64 characters: the same as before means that nothing has changed.
SELECT encode(sha256(convert_to(coalesce(
    string_agg(concat_ws(' ', t.election, t.version, t.token, coalesce(l.session, '-'), t.attempt),
               E'\n' ORDER BY t.election), ''), 'UTF8')), 'hex')
FROM incumbent_lock_term AS t
LEFT JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session
WHERE t.namespace = %(namespace)s

-- outline --
-- One short line a term, to compare with what is known; session is null where its lock is gone.
SELECT t.election, t.version, t.token, l.session, t.attempt
FROM incumbent_lock_term AS t
LEFT JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session
WHERE t.namespace = %(namespace)s

-- rows_of --
SELECT t.election, t.version, t.token, l.session, t.holder, t.attempt, t.candidate, t.value,
       t.backend_ttl_ms, t.begin_time::text
FROM incumbent_lock_term AS t
LEFT JOIN incumbent_lock AS l ON l.lock_key = t.lock_key AND l.session = t.session
WHERE t.namespace = %(namespace)s AND t.election = ANY(%(elections)s)
