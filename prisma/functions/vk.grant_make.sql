-- Makes the grant that a person's answer stands for, with its first tokens, and consumes the request: once, and only while it
-- lives (D-05, O-09, O-20). Sets the tenant. p_grant names the new row; hashes are those of the tokens that the client will
-- hold; p_family NULL: no refresh tokens. Answers ok, or why not: lost (somebody else consumed it, or its time is over) |
-- withdrawn (what it was answered under has changed since).
CREATE OR REPLACE FUNCTION vk.grant_make(r public.authorization_request, c public.api_client, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz := vk_now();
  v_renews boolean := p_family IS NOT NULL AND 'refresh_token' = ANY (c.grant_types);
  g public.oauth_grant%ROWTYPE;
BEGIN
  PERFORM set_config('app.tenant_id', r.tenant_chosen, true);
  IF r.generations IS DISTINCT FROM vk.grant_generations(r.tenant_chosen, r.claimed_by, c.id, NULL)
    OR EXISTS (SELECT FROM vk.frozen_by(r.tenant_chosen, r.claimed_by, '', '', '{}'))
    OR vk.program_frozen(r.tenant_chosen, c.id, NULL) THEN
    UPDATE authorization_request a SET status = 'denied' WHERE a.id = r.id AND a.status = 'approved';
    RETURN 'withdrawn';
  END IF;
  UPDATE authorization_request a SET status = 'consumed', grant_id = p_grant, state = NULL, code_challenge = NULL
    WHERE a.id = r.id AND a.status = 'approved' AND a.expires_at > vk_now();
  IF NOT FOUND THEN RETURN 'lost'; END IF;
  INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, via, scopes, resource, ceilings, proof_key, generations, address,
      agent, auth_time, last_used_at, last_address, family_hash, refresh_hash, refresh_expires_at, created_at, expires_at)
    VALUES (r.tenant_chosen, p_grant, r.claimed_by, c.id, r.kind, r.scopes_granted, r.resource, coalesce(r.ceilings, '{}'), p_proof,
      r.generations, r.address, r.agent, r.auth_time, v_now, p_address, CASE WHEN v_renews THEN p_family END,
      CASE WHEN v_renews THEN p_refresh END, CASE WHEN v_renews THEN v_now + p_lives[2] END, v_now, v_now + p_lives[3])
    RETURNING * INTO g;
  INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
    VALUES (p_access, g.tenant_id, g.id, g.scopes, g.resource, g.generations, v_now, v_now + p_lives[1]);
  PERFORM vk.grant_event(g, 'grant.created', jsonb_build_object('via', g.via, 'scopes', g.scopes,
    'projects', (SELECT coalesce(jsonb_agg(k.key), '[]') FROM jsonb_object_keys(g.ceilings) AS k(key))), p_address, p_agent, p_event);
  RETURN 'ok';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;
