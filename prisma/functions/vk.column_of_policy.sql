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
