-- One use of a refresh token (RFC 6749 6, RFC 9700 4.14.2). The grant's row is locked, so that of any number at once one
-- rotates and the others find what it left. outcome: invalid_client | unauthorized_client | invalid_grant | invalid_scope |
-- invalid_target | invalid_dpop_proof | reuse (its grant is to end, T-06) | repeated (the token before the current one, a
-- moment later: the same answer again, made of `salt` and what the client holds) | ok.
-- p_family: hash of what all tokens of the family share; p_presented: of the token; p_next: of the one that p_salt makes of it.
-- p_scopes NULL: all that was granted. p_window: how long the same answer is given.
CREATE OR REPLACE FUNCTION vk.grant_refresh(p_client text, p_secret bytea, p_asserted int, p_family bytea, p_presented bytea,
    p_next bytea, p_salt bytea, p_access bytea, p_scopes text[], p_resource text, p_proof text, p_lives interval[],
    p_window interval, p_address text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c record;
  g record;
  v_tenant text;
  v_state text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.grant_types INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'refresh_token' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT f.tenant_id, f.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_family(p_family) f;
  v_tenant := set_config('app.tenant_id', coalesce(tenant_id, ''), true);
  SELECT o.id, o.tenant_id, o.user_id, o.scopes, o.resource, o.proof_key, o.generations, o.refresh_hash, o.refresh_before,
      o.refresh_salt, o.refresh_scopes, o.refreshed_at, o.refresh_expires_at
    INTO g FROM oauth_grant o WHERE o.tenant_id = v_tenant AND o.id = grant_refresh.grant_id AND o.client_id = p_client FOR UPDATE;
  v_now := vk_now();
  SELECT s.state INTO v_state FROM vk.grant_standing(v_tenant, g.id, v_now) s;
  user_id := g.user_id; resource := g.resource; renews := true;
  outcome := CASE
    WHEN g.id IS NULL OR v_state IS DISTINCT FROM 'live' OR g.refresh_expires_at <= v_now THEN 'invalid_grant'
    WHEN g.proof_key IS DISTINCT FROM p_proof THEN 'invalid_dpop_proof'
    WHEN p_presented = g.refresh_before AND g.refreshed_at + p_window > v_now THEN 'repeated'
    WHEN p_presented IS DISTINCT FROM g.refresh_hash THEN 'reuse'
    WHEN NOT g.scopes @> coalesce(p_scopes, '{}') THEN 'invalid_scope'
    WHEN p_resource IS NOT NULL AND p_resource IS DISTINCT FROM g.resource THEN 'invalid_target'
    ELSE 'ok' END;
  IF outcome = 'repeated' THEN
    salt := g.refresh_salt; scopes := g.refresh_scopes;
    expires_in := extract(epoch FROM g.refreshed_at + p_lives[1] - v_now);
  ELSIF outcome = 'ok' THEN
    salt := p_salt; scopes := coalesce(p_scopes, g.scopes); expires_in := extract(epoch FROM p_lives[1]);
    UPDATE oauth_grant o SET refresh_hash = p_next, refresh_before = p_presented, refresh_salt = p_salt, refreshed_at = v_now,
        refresh_scopes = grant_refresh.scopes, refresh_expires_at = v_now + p_lives[2], last_used_at = v_now, last_address = p_address
      WHERE o.tenant_id = g.tenant_id AND o.id = g.id;
    INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
      VALUES (p_access, g.tenant_id, g.id, grant_refresh.scopes, g.resource, g.generations, v_now, v_now + p_lives[1]);
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_refresh(text, bytea, int, bytea, bytea, bytea, bytea, bytea, text[], text, text, interval[], interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_refresh(text, bytea, int, bytea, bytea, bytea, bytea, bytea, text[], text, text, interval[], interval, text) TO valetkey_app;
