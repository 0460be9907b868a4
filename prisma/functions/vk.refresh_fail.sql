-- Records a refresh that brought nothing. p_reached: the refresh token may have been acted upon, so that a later refusal
-- means lost in rotation. p_upstream: whether the failure is the upstream's as a whole and counts towards its pause, or
-- shows that it answers; NULL: neither. Connections are counted, not calls: one that ails alone pauses nobody else.
-- p_retry: what the upstream asked to wait. p_uncertain: it was the recovery try, which still counts unless it surely
-- reached nothing: the count falls with a new version only, or a spent token would be tried again and again.
-- A late loser changes nothing (RR-08): version and fence must still be its own.
CREATE OR REPLACE FUNCTION vk.refresh_fail(p_tenant text, p_connection text, p_sent int, p_fence int, p_status text, p_cause text,
    p_reached boolean, p_rest interval, p_upstream boolean, p_retry interval, p_details jsonb,
    p_uncertain boolean)
  RETURNS TABLE (changed boolean, paused boolean) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_provider text;
  v_until timestamptz;
  v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  SELECT k.provider_id INTO v_provider FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  changed := false; paused := false;
  IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;
  IF p_upstream THEN
    INSERT INTO upstream_pace AS u (tenant_id, provider_id, failures, last_failed, paused_until)
      VALUES (p_tenant, v_provider, 1, p_connection, v_now + p_retry)
      ON CONFLICT (tenant_id, provider_id) DO UPDATE SET last_failed = p_connection,
        failures = u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END,
        -- From the third in a row: full jitter over a doubling span, at most a minute; Retry-After is a floor.
        paused_until = CASE WHEN u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END >= 3
            OR p_retry IS NOT NULL THEN v_now + greatest(
          coalesce(p_retry, interval '1 second'),
          random() * make_interval(secs => least(2 ^ least(u.failures, 10), 60))) END
      RETURNING u.paused_until INTO v_until;
    paused := v_until IS NOT NULL;
  ELSIF NOT p_upstream THEN
    UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
      WHERE u.tenant_id = p_tenant AND u.provider_id = v_provider AND u.failures > 0;
  END IF;
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.token_version <> p_sent OR old.fence <> p_fence OR old.status IN ('revoked', 'needs_relink') THEN
    RETURN NEXT; RETURN;
  END IF;
  UPDATE connection k SET claim_until = NULL, intent_at = NULL, doubt = k.doubt OR p_reached,
      recoveries = CASE WHEN p_uncertain AND NOT p_reached THEN 0 ELSE k.recoveries END,
      next_try_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END, failures = k.failures + 1,
      refresh_due_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END,
      status = p_status, cause = p_cause, status_since = CASE WHEN k.status = p_status THEN k.status_since ELSE v_now END,
      refresh_token = CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN NULL ELSE k.refresh_token END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  -- Once a change, not once a failed call.
  IF (old.status, old.cause) IS DISTINCT FROM (p_status, p_cause) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.failed',
      CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN 'refused' ELSE 'failed' END,
      p_details || jsonb_build_object('status', p_status, 'cause', p_cause, 'served', old.access_token IS NOT NULL AND
        old.access_expires_at > v_now));
  END IF;
  changed := true;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_fail(text, text, int, int, text, text, boolean, interval, boolean, interval, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_fail(text, text, int, int, text, text, boolean, interval, boolean, interval, jsonb, boolean) TO valetkey_app;
