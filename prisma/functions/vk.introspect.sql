-- What a client may know of a token (RFC 7662): its own tokens, and those for audiences whose resource server it is; anything
-- else is no token (I-02, I-03). One of three hashes is given: of an access token, of a refresh token (with its family), of a
-- token for one of the tenant's own audiences. outcome: invalid_client | unauthorized_client | inactive | active.
CREATE OR REPLACE FUNCTION vk.introspect(p_client text, p_secret bytea, p_asserted int, p_access bytea, p_family bytea,
    p_refresh bytea, p_issued bytea)
  RETURNS TABLE (outcome text, kind text, client_id text, user_id text, scopes text[], audience text, proof_key text,
    grant_id text, token_id text, tenant_slug text, issued_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c record;
  s record;
  v_tenant text;
  v_grant text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.id, k.tenant_id, k.authentication, k.audiences INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  -- RFC 7662 2.1: not for whoever merely knows an identifier (I-01).
  IF c.authentication = 'none' THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  outcome := 'inactive';
  IF p_access IS NOT NULL OR p_family IS NOT NULL THEN
    IF p_access IS NOT NULL THEN
      SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_access(p_access) l;
    ELSE
      SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_family(p_family) l;
    END IF;
    v_tenant := set_config('app.tenant_id', coalesce(v_tenant, ''), true);
    v_now := vk_now();
    IF p_access IS NOT NULL THEN
      SELECT 'active', 'access', s.client_id, s.user_id, a.scopes, s.resource, s.proof_key, v_grant, a.created_at, a.expires_at
        INTO outcome, kind, client_id, user_id, scopes, audience, proof_key, grant_id, issued_at, expires_at
        FROM access_token a JOIN vk.grant_standing(v_tenant, v_grant, v_now) s ON a.generations = s.generations
        WHERE a.hash = p_access AND a.expires_at > v_now AND s.client_id = p_client AND s.state = 'live';
    ELSE
      SELECT 'active', 'refresh', s.client_id, s.user_id, s.scopes, s.resource, s.proof_key, v_grant, s.created_at,
          least(s.refresh_expires_at, s.expires_at)
        INTO outcome, kind, client_id, user_id, scopes, audience, proof_key, grant_id, issued_at, expires_at
        FROM vk.grant_standing(v_tenant, v_grant, v_now) s
        WHERE s.refresh_hash = p_refresh AND s.refresh_expires_at > v_now AND s.client_id = p_client AND s.state = 'live';
    END IF;
    IF NOT FOUND THEN outcome := 'inactive'; END IF;
  ELSIF p_issued IS NOT NULL THEN
    SELECT * INTO s FROM vk.signed_token(p_issued);
    IF s.state = 'live' AND s.tenant_id = c.tenant_id AND (s.project_id = ANY (c.audiences) OR s.client_id = c.id) THEN
      outcome := 'active'; kind := 'sign'; client_id := s.client_id; user_id := s.user_id; token_id := s.token_id;
      audience := s.audience; tenant_slug := s.slug; issued_at := s.issued_at; expires_at := s.expires_at;
      scopes := ARRAY(SELECT jsonb_array_elements_text(s.rights -> 'scopes'));
    END IF;
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.introspect(text, bytea, int, bytea, bytea, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.introspect(text, bytea, int, bytea, bytea, bytea, bytea) TO valetkey_app;
