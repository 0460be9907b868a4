-- Writes a rotated pair back: by version, so that a holder that was paused past its lease, or that waited for the
-- database, heals the row. p_life: how long the access token lives from now, counted by this clock alone (H-07).
-- p_grant: how long the refresh token lives, where that is known. p_quiet: a healthy renewal in the background, which is
-- no event. p_flag: a cause to link again for, although the tokens are good (RR-10). What happens beneath a freeze is
-- stored as it is.
-- Of a pasted token: p_held is what its kind notes of it, p_mark its fingerprint, p_rotated whether its value was replaced;
-- false: that was tried and turned down, so it waits for the next day, or for whoever asks. Null: not said.
-- Answers: stored | revoked (revoke what was received) | superseded (discard silently).
CREATE OR REPLACE FUNCTION vk.refresh_store(p_tenant text, p_connection text, p_sent int, p_fence int, p_refresh text, p_access text,
    p_life interval, p_scopes text[], p_grant interval, p_keep interval, p_quiet boolean, p_flag text, p_held text, p_mark text, p_rotated boolean)
  RETURNS TABLE (outcome text, access_expires_at timestamptz) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_now timestamptz;
  v_rotate timestamptz;
  v_status text := CASE WHEN p_flag IS NULL THEN 'linked' ELSE 'needs_relink' END;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
    WHERE u.tenant_id = p_tenant AND u.failures > 0
      AND u.provider_id = (SELECT k.provider_id FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection);
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.status = 'revoked' OR old.id IS NULL THEN
    outcome := 'revoked';
    RETURN NEXT; RETURN;
  END IF;
  IF old.token_version <> p_sent OR NOT (old.fence = p_fence OR old.doubt OR coalesce(old.cause, '') = 'lost_in_rotation') THEN
    outcome := 'superseded';
    RETURN NEXT; RETURN;
  END IF;
  v_rotate := CASE WHEN p_rotated IS NULL THEN old.rotate_at WHEN old.rotate_days IS NULL THEN NULL
    ELSE v_now + make_interval(days => CASE WHEN p_rotated THEN old.rotate_days ELSE 1 END) END;
  UPDATE connection k SET refresh_token = p_refresh, access_token = p_access, access_expires_at = v_now + p_life,
      -- A scope that was never granted is not believed to have been won by a refresh (RFC 6749 6).
      scopes_granted = CASE WHEN p_scopes IS NULL THEN k.scopes_granted WHEN k.scopes_granted = '{}' THEN p_scopes
        ELSE ARRAY(SELECT s FROM unnest(p_scopes) s WHERE s = ANY (k.scopes_granted)) END,
      token_version = k.token_version + 1, claim_until = NULL, intent_at = NULL, doubt = false, recoveries = 0,
      next_try_at = NULL, failures = 0, last_refresh_at = v_now,
      refresh_due_at = CASE WHEN p_flag IS NULL THEN least(vk.refresh_due(k.used_at, v_now, p_life, p_keep), v_rotate,
        -- Nothing prolongs a pasted token, so its end is looked at when it comes.
        CASE WHEN k.granted_by = 'pasted' THEN v_now + p_grant END) END,
      held = coalesce(p_held, k.held), pasted_mark = coalesce(p_mark, k.pasted_mark), rotate_at = v_rotate,
      rotated_at = CASE WHEN p_rotated THEN v_now ELSE k.rotated_at END,
      grant_expires_at = CASE WHEN p_grant IS NOT NULL THEN v_now + least(p_grant, interval '3650 days') END,
      status = v_status, cause = p_flag, status_since = CASE WHEN k.status = v_status THEN k.status_since ELSE v_now END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT (p_quiet AND old.status = 'linked' AND p_flag IS NULL) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.succeeded', 'ok', jsonb_build_object(
      'version', p_sent + 1, 'before', old.status, 'scheduled', p_quiet, 'flag', p_flag));
  END IF;
  IF p_rotated IS NOT NULL THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'connection.rotated', CASE WHEN p_rotated THEN 'ok' ELSE 'refused' END,
      jsonb_build_object('version', p_sent + 1, 'scheduled', p_quiet, 'replaced', p_rotated));
  END IF;
  outcome := 'stored'; access_expires_at := v_now + p_life;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_store(text, text, int, int, text, text, interval, text[], interval, interval, boolean, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_store(text, text, int, int, text, text, interval, text[], interval, interval, boolean, text, text, text, boolean) TO valetkey_app;
