-- AlterTable
ALTER TABLE "connection_project" ADD COLUMN     "created_at" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- AlterTable
ALTER TABLE "issued_token" ADD COLUMN     "endless" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "project_alias" DROP CONSTRAINT "project_alias_pkey",
ADD CONSTRAINT "project_alias_pkey" PRIMARY KEY ("tenant_id", "alias", "project_id");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.
-- A process of the version before cannot rename a project beside this schema (its upsert names the key that is gone: an
-- error, nothing is lost); everything else that it does goes on.

-- The owner is bound by the policies as well, so this goes tenant by tenant.
DO $$
DECLARE
  ids text[];
  t text;
BEGIN
  SET LOCAL ROLE vk_lookup;
  SELECT coalesce(array_agg(id), '{}') INTO ids FROM lookup.tenant_ids() AS id;
  RESET ROLE;
  FOREACH t IN ARRAY ids LOOP
    PERFORM set_config('app.tenant_id', t, true);
    UPDATE connection_project l SET created_at = c.linked_at FROM connection c
      WHERE l.tenant_id = t AND c.tenant_id = t AND c.id = l.connection_id;
  END LOOP;
END $$;
