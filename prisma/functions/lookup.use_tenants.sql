-- Tenants with uses of tokens that no event has told of, in minutes up to p_before.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.use_tenants(p_before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT u.tenant_id FROM public.use_tally u WHERE u.minute <= p_before;
END;
REVOKE EXECUTE ON FUNCTION lookup.use_tenants(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.use_tenants(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
