-- Whose a client is; NULL for one of the instance and for none alike.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_tenant(p_client text) RETURNS text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT c.tenant_id FROM public.api_client c WHERE c.id = p_client;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_tenant(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_tenant(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
