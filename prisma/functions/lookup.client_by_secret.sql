-- Whose client secret it is that somebody reports: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_by_secret(p_hash bytea) RETURNS TABLE (tenant_id text, client_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT s.tenant_id, s.client_id, s.id FROM public.client_secret s WHERE s.secret_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_by_secret(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_by_secret(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
