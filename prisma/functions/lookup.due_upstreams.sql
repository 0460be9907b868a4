-- Upstreams with a connection that is due for a refresh.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_upstreams() RETURNS TABLE (tenant_id text, provider_id text)
  LANGUAGE sql VOLATILE SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT c.tenant_id, c.provider_id FROM public.connection c
  WHERE c.refresh_due_at <= (SELECT public.vk_now()) AND c.status IN ('linked', 'degraded', 'uncertain');
END;
REVOKE EXECUTE ON FUNCTION lookup.due_upstreams() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_upstreams() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
