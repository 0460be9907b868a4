-- A client as its tenant, or the instance, knows it; nothing where there is none, or no longer. Sets the tenant.
CREATE OR REPLACE FUNCTION vk.client_enter(p_client text)
  RETURNS SETOF public.api_client LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  RETURN QUERY SELECT * FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_enter(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_enter(text) TO valetkey_app;
