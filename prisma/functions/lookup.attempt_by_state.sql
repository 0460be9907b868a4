-- Whose attempt a callback belongs to: the state is all that it brings.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.attempt_by_state(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT a.tenant_id, a.id FROM public.attempt a WHERE a.state_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.attempt_by_state(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.attempt_by_state(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
