-- Tenants in which a session has begun a link whose secrets are still kept.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.tenants_linking(p_session text) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT a.tenant_id FROM public.attempt a WHERE a.session_id = p_session AND a.secrets IS NOT NULL;
END;
REVOKE EXECUTE ON FUNCTION lookup.tenants_linking(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.tenants_linking(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
