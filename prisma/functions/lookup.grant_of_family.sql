-- Whose refresh family it is: the hash of the part that all its tokens share.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.grant_of_family(p_hash bytea) RETURNS TABLE (tenant_id text, grant_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT g.tenant_id, g.id FROM public.oauth_grant g WHERE g.family_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.grant_of_family(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.grant_of_family(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
