-- Which invitation a link is: its secret is all that the bearer brings.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.invitation_by_hash(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT i.tenant_id, i.id FROM public.invitation i WHERE i.token_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.invitation_by_hash(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.invitation_by_hash(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
