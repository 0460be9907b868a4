-- Notes that a client has proved itself, and by which secret: at most once a minute each. A client of the instance is
-- everybody's, and nobody notes it.
CREATE OR REPLACE FUNCTION vk.client_used(p_client text, p_secret bytea) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  UPDATE api_client c SET last_used_at = vk_now() WHERE c.id = p_client AND c.tenant_id IS NOT NULL AND c.ended_at IS NULL
    AND (c.last_used_at IS NULL OR c.last_used_at < vk_now() - interval '1 minute');
  UPDATE client_secret s SET last_used_at = vk_now() WHERE s.client_id = p_client AND s.secret_hash = p_secret
    AND (s.last_used_at IS NULL OR s.last_used_at < vk_now() - interval '1 minute');
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_used(text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_used(text, bytea) TO valetkey_app;
