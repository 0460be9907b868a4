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
