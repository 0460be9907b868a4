-- Who calls with an access token, and whether it and all that it was made under stand now: everything that a request needs
-- to know, in one statement. state: unknown | ended | revoked | frozen | live. `touch`: its grant's last use is worth noting.
CREATE OR REPLACE FUNCTION vk.access_enter(p_hash bytea)
  RETURNS TABLE (state text, tenant_id text, slug text, tenant_name text, role text, grant_id text, client_id text, user_id text,
    issuer text, subject text, name text, email text, scopes text[], resource text, proof_key text, auth_time timestamptz,
    created_at timestamptz, expires_at timestamptz, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_tenant text;
  v_grant text;
  v_now timestamptz;
BEGIN
  SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_access(p_hash) l;
  IF v_tenant IS NULL THEN state := 'unknown'; RETURN NEXT; RETURN; END IF;
  tenant_id := set_config('app.tenant_id', v_tenant, true);
  grant_id := v_grant;
  v_now := vk_now();
  SELECT CASE
      WHEN a.generations IS DISTINCT FROM s.generations THEN 'revoked'
      WHEN a.expires_at <= v_now THEN 'ended'
      ELSE s.state END,
    s.slug, s.tenant_name, s.role, s.client_id, s.user_id, u.issuer, u.subject, u.name, u.email, a.scopes, a.resource,
    s.proof_key, s.auth_time, a.created_at, a.expires_at, s.last_used_at IS NULL OR s.last_used_at < v_now - interval '1 minute'
  INTO state, slug, tenant_name, role, client_id, user_id, issuer, subject, name, email, scopes, resource, proof_key, auth_time,
    created_at, expires_at, touch
  FROM access_token a JOIN vk.grant_standing(v_tenant, v_grant, v_now) s ON true JOIN "user" u ON u.id = s.user_id
  WHERE a.hash = p_hash;
  -- Deleted since it was looked up.
  IF NOT FOUND THEN state := 'revoked'; END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.access_enter(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.access_enter(bytea) TO valetkey_app;
