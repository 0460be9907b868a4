-- Redeems an authorization code (RFC 6749 4.1.3, RFC 7636 4.6): each thing that it is bound to is asked by itself, and only
-- then is it consumed (T-07). outcome: invalid_client | unauthorized_client | invalid_grant | invalid_dpop_proof | reuse
-- (its grant is to end, RFC 6749 4.1.2) | ok.
CREATE OR REPLACE FUNCTION vk.code_redeem(p_client text, p_secret bytea, p_asserted int, p_code bytea, p_redirect text,
    p_challenge text, p_proof text, p_grant text, p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[],
    p_address text, p_agent text, p_event text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c public.api_client%ROWTYPE;
  r public.authorization_request%ROWTYPE;
  v_tenant text;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.* INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'authorization_code' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT * INTO r FROM authorization_request a WHERE a.secret_hash = p_code AND a.kind = 'code' AND a.client_id = p_client
    FOR UPDATE;
  tenant_id := r.tenant_chosen; user_id := r.claimed_by; grant_id := r.grant_id;
  outcome := CASE
    WHEN r.id IS NULL THEN 'invalid_grant'
    WHEN r.status = 'consumed' THEN 'reuse'
    WHEN r.status <> 'approved' OR r.expires_at <= vk_now() THEN 'invalid_grant'
    WHEN r.redirect_uri IS DISTINCT FROM p_redirect THEN 'invalid_grant'
    WHEN r.code_challenge IS DISTINCT FROM p_challenge THEN 'invalid_grant'
    WHEN r.proof_key IS NOT NULL AND r.proof_key IS DISTINCT FROM p_proof THEN 'invalid_dpop_proof'
    WHEN c.needs_proof AND p_proof IS NULL THEN 'invalid_dpop_proof' END;
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  outcome := vk.grant_make(r, c, p_proof, p_grant, p_access, p_family, p_refresh, p_lives, p_address, p_agent, p_event);
  IF outcome <> 'ok' THEN outcome := 'invalid_grant'; RETURN NEXT; RETURN; END IF;
  grant_id := p_grant; scopes := r.scopes_granted; resource := r.resource;
  renews := 'refresh_token' = ANY (c.grant_types); expires_in := extract(epoch FROM p_lives[1]);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.code_redeem(text, bytea, int, bytea, text, text, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.code_redeem(text, bytea, int, bytea, text, text, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;
