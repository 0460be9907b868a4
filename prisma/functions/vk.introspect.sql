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
  c public.api_client%ROWTYPE;
  a public.access_token%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
  s record;
  v_tenant text;
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  -- RFC 7662 2.1: not for whoever merely knows an identifier (I-01).
  IF c.authentication = 'none' THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  outcome := 'inactive';
  IF p_access IS NOT NULL OR p_family IS NOT NULL THEN
    SELECT l.tenant_id, l.grant_id INTO v_tenant, grant_id FROM lookup.grant_of_access(p_access) l;
    IF v_tenant IS NULL THEN
      SELECT l.tenant_id, l.grant_id INTO v_tenant, grant_id FROM lookup.grant_of_family(p_family) l;
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(v_tenant, ''), true);
    SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = v_tenant AND o.id = introspect.grant_id AND o.client_id = p_client;
    IF p_access IS NOT NULL THEN
      SELECT * INTO a FROM access_token k WHERE k.hash = p_access AND k.grant_id = g.id;
      kind := 'access'; issued_at := a.created_at; expires_at := a.expires_at; scopes := a.scopes;
      IF a.generations IS DISTINCT FROM g.generations THEN g.id := NULL; END IF;
    ELSE
      kind := 'refresh'; issued_at := g.created_at; expires_at := least(g.refresh_expires_at, g.expires_at); scopes := g.scopes;
      IF p_refresh IS DISTINCT FROM g.refresh_hash THEN g.id := NULL; END IF;
    END IF;
    IF g.id IS NOT NULL AND expires_at > vk_now() AND vk.grant_state(g) = 'live' THEN
      outcome := 'active'; client_id := g.client_id; user_id := g.user_id; audience := g.resource; proof_key := g.proof_key;
    END IF;
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
