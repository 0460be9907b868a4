-- Gives up what a session has begun to link: the secrets of open attempts, and grants that are kept for a decision. Only
-- this session could have finished them. A grant that came by a way of its own (flow) stands upstream until it is ended
-- there, so it is left to the job that does so, as of now. Leaves the transaction in the tenant in which it was.
CREATE OR REPLACE FUNCTION vk.forget_attempts(p_session text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_before text := current_setting('app.tenant_id', true);
  v_tenant text;
BEGIN
  FOR v_tenant IN SELECT lookup.tenants_linking(p_session) LOOP
    PERFORM set_config('app.tenant_id', v_tenant, true);
    UPDATE attempt a SET expires_at = least(a.expires_at, vk_now())
      WHERE a.tenant_id = v_tenant AND a.session_id = p_session AND a.secrets IS NOT NULL AND a.flow IS NOT NULL
        AND a.status IN ('choosing', 'failed');
    UPDATE attempt a SET secrets = NULL, status = CASE WHEN a.status = 'pending' THEN 'failed' ELSE a.status END,
        outcome = coalesce(a.outcome, 'cancelled')
      WHERE a.tenant_id = v_tenant AND a.session_id = p_session AND a.secrets IS NOT NULL AND a.status IN ('pending', 'failed')
        AND (a.flow IS NULL OR a.status = 'pending');
  END LOOP;
  PERFORM set_config('app.tenant_id', coalesce(v_before, ''), true);
END $$;
REVOKE EXECUTE ON FUNCTION vk.forget_attempts(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.forget_attempts(text) TO valetkey_app;
