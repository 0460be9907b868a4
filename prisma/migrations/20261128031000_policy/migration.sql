-- CreateTable
CREATE TABLE "policy" (
    "tenant_id" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "max_lifetime_seconds" INTEGER,
    "max_tokens" INTEGER,
    "strategies" TEXT[],
    "link_roles" TEXT[],
    "issue_roles" TEXT[],
    "rights" JSONB,

    CONSTRAINT "policy_pkey" PRIMARY KEY ("tenant_id","level","target_id")
);

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policy USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE ON policy TO valetkey_app;
ALTER TABLE policy
  ADD CONSTRAINT policy_level CHECK (level IN ('tenant', 'provider', 'project', 'person')),
  ADD CONSTRAINT policy_numbers CHECK (max_lifetime_seconds > 0 AND max_tokens >= 0),
  ADD CONSTRAINT policy_strategies CHECK (strategies <@ ARRAY['mint', 'exchange', 'narrow', 'proxy', 'sign']),
  ADD CONSTRAINT policy_roles CHECK (link_roles <@ ARRAY['owner', 'admin', 'member'] AND issue_roles <@ ARRAY['owner', 'admin', 'member']),
  ADD CONSTRAINT policy_rights CHECK (rights IS NULL OR level IN ('provider', 'project'));

-- What the rows themselves say so far. The owner is bound by the policies as well, so this goes tenant by tenant.
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
    INSERT INTO policy (tenant_id, level, target_id, max_lifetime_seconds)
      SELECT n.id, 'tenant', n.id, n.max_lifetime_seconds FROM tenant n
        WHERE n.id = t AND n.max_lifetime_seconds NOT IN (0, 28800)
      UNION ALL SELECT t, 'provider', r.id, r.max_lifetime_seconds FROM provider r WHERE r.tenant_id = t AND r.max_lifetime_seconds > 0
      UNION ALL SELECT t, 'project', p.id, p.max_lifetime_seconds FROM project p WHERE p.tenant_id = t AND p.max_lifetime_seconds > 0;
  END LOOP;
END $$;

-- Until the next release: processes of the version before read the longest life of a token from the row of the tenant,
-- provider or project itself (H-06).
CREATE OR REPLACE FUNCTION vk.column_of_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tenant t SET max_lifetime_seconds = coalesce(NEW.max_lifetime_seconds, 28800)
    WHERE NEW.level = 'tenant' AND t.id = NEW.tenant_id AND t.id = NEW.target_id;
  UPDATE provider r SET max_lifetime_seconds = NEW.max_lifetime_seconds WHERE NEW.level = 'provider'
    AND r.tenant_id = NEW.tenant_id AND r.id = NEW.target_id AND r.max_lifetime_seconds IS DISTINCT FROM NEW.max_lifetime_seconds;
  UPDATE project p SET max_lifetime_seconds = NEW.max_lifetime_seconds
    WHERE NEW.level = 'project' AND p.tenant_id = NEW.tenant_id AND p.id = NEW.target_id;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.column_of_policy() FROM PUBLIC;
-- Until the next release: processes of the version before write a provider's longest life of a token into its own row, and
-- nobody but a provider has one there that they write (H-06).
CREATE OR REPLACE FUNCTION vk.policy_of_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO policy AS p (tenant_id, level, target_id, max_lifetime_seconds)
    VALUES (NEW.tenant_id, 'provider', NEW.id, NEW.max_lifetime_seconds)
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET max_lifetime_seconds = NEW.max_lifetime_seconds
      WHERE p.max_lifetime_seconds IS DISTINCT FROM NEW.max_lifetime_seconds;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.policy_of_column() FROM PUBLIC;

CREATE TRIGGER column_of_policy AFTER INSERT OR UPDATE OF max_lifetime_seconds ON policy FOR EACH ROW
  EXECUTE FUNCTION vk.column_of_policy();
CREATE TRIGGER policy_of_new_column AFTER INSERT ON provider FOR EACH ROW WHEN (NEW.max_lifetime_seconds IS NOT NULL)
  EXECUTE FUNCTION vk.policy_of_column();
CREATE TRIGGER policy_of_column AFTER UPDATE OF max_lifetime_seconds ON provider FOR EACH ROW
  WHEN (NEW.max_lifetime_seconds IS DISTINCT FROM OLD.max_lifetime_seconds) EXECUTE FUNCTION vk.policy_of_column();
