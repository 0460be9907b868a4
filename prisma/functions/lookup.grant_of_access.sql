-- Whose access token it is that somebody brings: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.grant_of_access(p_hash bytea) RETURNS TABLE (tenant_id text, grant_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT a.tenant_id, a.grant_id FROM public.access_token a WHERE a.hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.grant_of_access(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.grant_of_access(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
