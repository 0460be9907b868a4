-- Tenants with events that are still in the outbox.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.outbox_tenants() RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT o.tenant_id FROM public.audit_outbox o;
END;
REVOKE EXECUTE ON FUNCTION lookup.outbox_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.outbox_tenants() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
