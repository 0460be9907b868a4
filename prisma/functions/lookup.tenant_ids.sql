-- Every tenant, for work that goes through all of them.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.tenant_ids() RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id FROM public.tenant t ORDER BY t.id;
END;
REVOKE EXECUTE ON FUNCTION lookup.tenant_ids() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.tenant_ids() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
