-- Whose token it is that somebody brings: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.token_by_secret(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.tenant_id, t.id FROM public.issued_token t WHERE t.secret_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.token_by_secret(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.token_by_secret(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
