-- A process compares at start the migrations that it was written for with those that the database has. Names and times
-- only: scripts and checksums stay the owner's. Hand-written; Prisma's diff does not see it, and its shadow database has
-- no such table.
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    GRANT SELECT (migration_name, finished_at, rolled_back_at) ON public._prisma_migrations TO valetkey_app;
  END IF;
END $$;
