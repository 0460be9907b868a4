-- Tenants with counts of reads from before p_before.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.tally_tenants(p_before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT t.tenant_id FROM public.access_tally t WHERE t.minute <= p_before;
END;
REVOKE EXECUTE ON FUNCTION lookup.tally_tenants(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.tally_tenants(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
