-- Notes that a grant is in use, and from where: at most once a minute. Never brings one back.
CREATE OR REPLACE FUNCTION vk.grant_used(p_tenant text, p_grant text, p_address text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE oauth_grant g SET last_used_at = vk_now(), last_address = p_address WHERE g.tenant_id = p_tenant AND g.id = p_grant
    AND g.ended_at IS NULL AND (g.last_used_at IS NULL OR g.last_used_at < vk_now() - interval '1 minute');
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_used(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_used(text, text, text) TO valetkey_app;
