-- The roles Valetkey needs, for a Postgres of your own. Run it once as an administrator, in the empty database:
--
--   createdb valetkey
--   psql "postgres://ADMIN@HOST/valetkey" -v ON_ERROR_STOP=1 -f scripts/roles.sql
--   psql "postgres://ADMIN@HOST/valetkey" -c '\password valetkey_owner' -c '\password valetkey_app'
--
-- Then DATABASE_MIGRATE_URL names valetkey_owner (directly, not through a transaction pooler), DATABASE_URL names
-- valetkey_app. Safe to run again. The embedded database is prepared with this very file.

DO $$
DECLARE
  role record;
BEGIN
  FOR role IN
    SELECT * FROM (VALUES
      ('valetkey_owner', 'LOGIN'),   -- owns every table, migrates
      ('valetkey_app', 'LOGIN'),     -- what the running product is
      ('vk_lookup', 'NOLOGIN'),      -- owns the look-ups that come before a tenant is known
      ('vk_sealer', 'NOLOGIN')       -- owns the function that chains audit events
    ) AS roles (name, login)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role.name) THEN
      EXECUTE format('CREATE ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB %s', role.name, role.login);
    END IF;
  END LOOP;
END $$;

-- INHERIT FALSE: with inheritance the policies of these two would open the tables for the owner as well.
GRANT vk_lookup, vk_sealer TO valetkey_owner WITH INHERIT FALSE, SET TRUE;

-- Per role, because start-up options do not pass every pooler. UTC: Prisma reads any other session's times wrongly.
ALTER ROLE valetkey_app SET timezone = 'UTC';
ALTER ROLE valetkey_app SET statement_timeout = '15s';
ALTER ROLE valetkey_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE valetkey_owner SET timezone = 'UTC';

DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO valetkey_owner', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO valetkey_app', current_database());
END $$;
ALTER SCHEMA public OWNER TO valetkey_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO valetkey_app, vk_lookup, vk_sealer;
