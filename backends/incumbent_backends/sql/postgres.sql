-- What every PostgreSQL driver says: to a connection that it has just made, about the tables and the
-- marker, and to the other gateways. Parameters are named.

-- who --
-- Which server answers, and whether it will do.
SELECT pg_backend_pid(),
       pg_is_in_recovery(),
       (SELECT system_identifier FROM pg_control_system()),
       current_setting('transaction_read_only') = 'on',
       current_setting('fsync') = 'on',
       current_setting('server_encoding'),
       current_setting('server_version_num')::integer

-- settle_pooled --
-- Through a pooler, before each statement and in its transaction. Another server than at the start,
-- or one in recovery, ends it here by a division by zero: no other statement of ours divides.
SELECT set_config('synchronous_commit', 'on', true),
       set_config('lock_timeout', '{lock_ms}', true),
       set_config('statement_timeout', '{statement_ms}', true),
       set_config('idle_in_transaction_session_timeout', '{idle_ms}', true),
       set_config('TimeZone', 'UTC', true),
       set_config('DateStyle', 'ISO', true),
       set_config('bytea_output', 'hex', true),
       1 / (NOT pg_is_in_recovery() AND system_identifier = {system_identifier})::integer
FROM pg_control_system()

-- settle --
-- Grants are on disk before they are answered, whatever the server's default; nothing waits for ever.
SELECT set_config('synchronous_commit', 'on', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('lock_timeout', %(lock_ms)s, false),
       set_config('statement_timeout', %(statement_ms)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle_ms)s, false),
       set_config('TimeZone', 'UTC', false),
       set_config('DateStyle', 'ISO', false),
       set_config('bytea_output', 'hex', false)

-- tables --
-- How many of ours are there.
SELECT count(to_regclass(name)) FROM unnest(%(tables)s::text[]) AS name

-- schema_lock --
-- One gateway at a time makes the tables; freed with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('incumbent schema', 0))

-- marked --
SELECT mechanism, layout FROM incumbent_namespace WHERE name = %(namespace)s

-- marker --
-- Write the namespace's marker once; who comes second compares.
INSERT INTO incumbent_namespace (name, mechanism, layout)
VALUES (%(namespace)s, %(mechanism)s, %(layout)s)
ON CONFLICT (name) DO NOTHING

-- notify --
-- A hint to the other gateways: these have changed.
SELECT pg_notify(%(channel)s, hint) FROM unnest(%(hints)s::text[]) AS hint
