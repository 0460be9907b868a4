-- One poll of a device (RFC 8628 3.4 and 3.5), and the making of its tokens where it is the one that wins. Codes match with
-- the client that asked for them, and with nothing else (D-06). outcome: invalid_client | unauthorized_client | invalid_grant |
-- authorization_pending | slow_down | access_denied | expired_token | invalid_dpop_proof | repeated (the answer that won,
-- again) | ok.
-- `pause`: seconds until the next poll. A poll that is too early makes the pause longer, once for each timely one; others
-- after it write nothing. p_lives: of the access token, of the refresh token between two uses, of the grant.
CREATE OR REPLACE FUNCTION vk.device_poll(p_client text, p_secret bytea, p_asserted int, p_code bytea, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  -- Of client and request what a poll asks that finds no answer; the whole of them where there is one.
  c record;
  p record;
  v_client public.api_client%ROWTYPE;
  r public.authorization_request%ROWTYPE;
  v_tenant text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.id, k.grant_types, k.needs_proof INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'device_code' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT a.id, a.status, a.interval, a.expires_at, a.polled_at, a.slowed INTO p
    FROM authorization_request a WHERE a.secret_hash = p_code AND a.kind = 'device' AND a.client_id = p_client;
  v_now := vk_now();
  pause := p.interval;
  -- The answer that won may have been lost, and its client asks again, later than it asks otherwise (RFC 8628 3.5). It brings
  -- hashes of the same tokens, because they are made of the code. Whoever asks at the same time is too early for them.
  IF p.status = 'consumed' THEN
    SELECT * INTO r FROM authorization_request a WHERE a.id = p.id;
    PERFORM set_config('app.tenant_id', r.tenant_chosen, true);
    SELECT 'repeated', g.tenant_id, g.user_id, g.id, t.scopes, t.resource, g.refresh_hash IS NOT NULL,
        extract(epoch FROM t.expires_at - v_now)
      INTO outcome, tenant_id, user_id, grant_id, scopes, resource, renews, expires_in
      FROM oauth_grant g JOIN access_token t ON t.tenant_id = g.tenant_id AND t.grant_id = g.id AND t.hash = p_access
      WHERE g.tenant_id = r.tenant_chosen AND g.id = r.grant_id AND g.refreshed_at IS NULL
        AND g.proof_key IS NOT DISTINCT FROM p_proof AND vk.grant_state(g) = 'live'
        AND v_now BETWEEN g.created_at + make_interval(secs => r.interval - 0.5) AND g.created_at + interval '2 minutes';
    IF FOUND THEN RETURN NEXT; RETURN; END IF;
  END IF;
  outcome := CASE
    WHEN p.id IS NULL OR p.status = 'consumed' THEN 'invalid_grant'
    WHEN p.status = 'denied' THEN 'access_denied'
    WHEN p.expires_at <= v_now THEN 'expired_token'
    WHEN c.needs_proof AND p_proof IS NULL THEN 'invalid_dpop_proof' END;
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  IF p.status = 'pending' THEN
    outcome := 'slow_down';
    -- As it was read: most polls that come too early need no second look. Half a second is what networks shift.
    IF p.polled_at IS NULL OR p.polled_at + make_interval(secs => p.interval - 0.5) <= v_now THEN
      UPDATE authorization_request a SET polled_at = v_now, slowed = false WHERE a.id = p.id AND a.status = 'pending'
        AND (a.polled_at IS NULL OR a.polled_at + make_interval(secs => a.interval - 0.5) <= v_now);
      IF FOUND THEN outcome := 'authorization_pending'; END IF;
    END IF;
    IF outcome = 'slow_down' AND NOT p.slowed AND p.interval < 60 THEN
      UPDATE authorization_request a SET interval = a.interval + 5, slowed = true WHERE a.id = p.id AND NOT a.slowed
        RETURNING a.interval INTO pause;
      pause := coalesce(pause, p.interval + 5);
    END IF;
    RETURN NEXT; RETURN;
  END IF;
  SELECT * INTO v_client FROM api_client k WHERE k.id = c.id;
  SELECT * INTO r FROM authorization_request a WHERE a.id = p.id;
  outcome := vk.grant_make(r, v_client, p_proof, p_grant, p_access, p_family, p_refresh, p_lives, p_address, p_agent, p_event);
  outcome := CASE outcome WHEN 'lost' THEN 'invalid_grant' WHEN 'withdrawn' THEN 'access_denied' ELSE outcome END;
  tenant_id := r.tenant_chosen; user_id := r.claimed_by; grant_id := p_grant; scopes := r.scopes_granted; resource := r.resource;
  renews := 'refresh_token' = ANY (c.grant_types); expires_in := extract(epoch FROM p_lives[1]);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;
