-- Makes the grant that a person's answer stands for, with its first tokens, and consumes the request: once, and only while it
-- lives (D-05, O-09, O-20). Sets the tenant. p_grant names the new row; hashes are those of the tokens that the client will
-- hold; p_family NULL: no refresh tokens. Answers ok, or why not: lost (somebody else consumed it, or its time is over) |
-- withdrawn (what it was answered under has changed since).
CREATE OR REPLACE FUNCTION vk.grant_make(r public.authorization_request, c public.api_client, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz := vk_now();
  v_tenant text;
  v_renews boolean := p_family IS NOT NULL AND 'refresh_token' = ANY (c.grant_types);
BEGIN
  v_tenant := set_config('app.tenant_id', r.tenant_chosen, true);
  IF NOT EXISTS (SELECT FROM vk.grant_ground(v_tenant, r.claimed_by, c.id, NULL) n WHERE n.generations = r.generations
      AND NOT EXISTS (SELECT FROM vk.freezes_on(v_tenant, r.claimed_by, NULL, NULL, '{}', c.id, NULL, v_now))) THEN
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
      CASE WHEN v_renews THEN p_refresh END, CASE WHEN v_renews THEN v_now + p_lives[2] END, v_now, v_now + p_lives[3]);
  INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
    VALUES (p_access, v_tenant, p_grant, r.scopes_granted, r.resource, r.generations, v_now, v_now + p_lives[1]);
  -- Its body is what lib/audit/record.ts writes.
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (v_tenant, vk.new_id('evt'), v_now, jsonb_build_object(
    'action', 'grant.created', 'outcome', 'ok', 'actor', r.claimed_by, 'session', NULL, 'client', c.id, 'grant', p_grant,
    'address', p_address, 'agent', p_agent, 'request', p_event, 'target', jsonb_build_object('kind', 'grant', 'id', p_grant),
    'details', jsonb_build_object('via', r.kind, 'scopes', r.scopes_granted,
      'projects', ARRAY(SELECT jsonb_object_keys(coalesce(r.ceilings, '{}'))))));
  RETURN 'ok';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;
