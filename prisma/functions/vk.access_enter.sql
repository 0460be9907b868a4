-- Who calls with an access token, and whether it and all that it was made under stand now: everything that a request needs
-- to know, in one statement. state: unknown | ended | revoked | frozen | live. `touch`: its grant's last use is worth noting.
CREATE OR REPLACE FUNCTION vk.access_enter(p_hash bytea)
  RETURNS TABLE (state text, tenant_id text, slug text, tenant_name text, role text, grant_id text, client_id text, user_id text,
    issuer text, subject text, name text, email text, scopes text[], resource text, proof_key text, auth_time timestamptz,
    created_at timestamptz, expires_at timestamptz, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  a public.access_token%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
BEGIN
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_access(p_hash) l;
  IF tenant_id IS NULL THEN state := 'unknown'; RETURN NEXT; RETURN; END IF;
  PERFORM set_config('app.tenant_id', tenant_id, true);
  SELECT * INTO a FROM access_token k WHERE k.hash = p_hash;
  SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = access_enter.tenant_id AND o.id = access_enter.grant_id;
  state := CASE
    WHEN a.hash IS NULL OR a.generations IS DISTINCT FROM g.generations THEN 'revoked'
    WHEN a.expires_at <= vk_now() THEN 'ended'
    ELSE vk.grant_state(g) END;
  IF state <> 'live' THEN RETURN NEXT; RETURN; END IF;
  SELECT n.slug, n.name, m.role, u.issuer, u.subject, u.name, u.email
    INTO slug, tenant_name, role, issuer, subject, name, email
    FROM tenant n JOIN member m ON m.tenant_id = n.id AND m.user_id = g.user_id JOIN "user" u ON u.id = g.user_id
    WHERE n.id = g.tenant_id;
  client_id := g.client_id; user_id := g.user_id; scopes := a.scopes; resource := a.resource; proof_key := g.proof_key;
  auth_time := g.auth_time; created_at := a.created_at; expires_at := a.expires_at;
  touch := g.last_used_at IS NULL OR g.last_used_at < vk_now() - interval '1 minute';
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.access_enter(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.access_enter(bytea) TO valetkey_app;
