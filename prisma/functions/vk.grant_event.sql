-- The event of a grant, in the transaction of what it tells. Its body is what lib/audit/record.ts writes.
CREATE OR REPLACE FUNCTION vk.grant_event(g public.oauth_grant, p_action text, p_details jsonb, p_address text, p_agent text,
    p_request text)
  RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (g.tenant_id, vk.new_id('evt'), vk_now(), jsonb_build_object(
    'action', p_action, 'outcome', 'ok', 'actor', g.user_id, 'session', NULL, 'client', g.client_id, 'grant', g.id,
    'address', p_address, 'agent', p_agent, 'request', p_request,
    'target', jsonb_build_object('kind', 'grant', 'id', g.id), 'details', p_details))
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_event(public.oauth_grant, text, jsonb, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_event(public.oauth_grant, text, jsonb, text, text, text) TO valetkey_app;
