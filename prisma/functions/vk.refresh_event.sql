-- The event of a refresh, in the transaction of what it tells. Its body is what lib/audit/record.ts writes.
CREATE OR REPLACE FUNCTION vk.refresh_event(p_tenant text, p_connection text, p_user text, p_action text, p_outcome text, p_details jsonb)
  RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, vk.new_id('evt'), vk_now(), jsonb_build_object(
    'action', p_action, 'outcome', p_outcome, 'actor', p_user, 'session', NULL, 'address', NULL, 'agent', NULL,
    'request', NULL, 'target', jsonb_build_object('kind', 'connection', 'id', p_connection), 'details', p_details))
$$;
REVOKE EXECUTE ON FUNCTION vk.refresh_event(text, text, text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_event(text, text, text, text, text, jsonb) TO valetkey_app;
