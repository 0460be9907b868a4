-- A grant and how it stands: live | ended | revoked | frozen. Everything that it was made under is asked, each time: nobody
-- keeps the answer. Nothing is locked: what is made from it meanwhile carries these generations and is asked again. Their order
-- is that of vk.grant_generations. p_now: the moment that counts, taken after whatever was waited for. The tenant is set.
-- Plain SQL that the planner writes into whatever asks (docs/decisions/0066): STABLE, and arguments that are no calls.
CREATE OR REPLACE FUNCTION vk.grant_standing(p_tenant text, p_grant text, p_now timestamptz)
  RETURNS TABLE (state text, user_id text, client_id text, scopes text[], resource text, proof_key text, generations int[],
    auth_time timestamptz, last_used_at timestamptz, created_at timestamptz, expires_at timestamptz, refresh_hash bytea,
    refresh_expires_at timestamptz, slug text, tenant_name text, role text)
  LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT CASE
      WHEN g.ended_at IS NOT NULL OR g.generations IS DISTINCT FROM
        ARRAY[g.generation, c.generation, m.generation, n.generation, i.generation] THEN 'revoked'
      WHEN g.expires_at <= p_now THEN 'ended'
      WHEN EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = g.tenant_id AND (f.until IS NULL OR f.until > p_now)
        AND (f.kind, f.target_id) IN (('member', g.user_id), ('client', g.client_id), ('grant', g.id))) THEN 'frozen'
      ELSE 'live' END,
    g.user_id, g.client_id, g.scopes, g.resource, g.proof_key, g.generations, g.auth_time, g.last_used_at, g.created_at,
    g.expires_at, g.refresh_hash, g.refresh_expires_at, n.slug, n.name, m.role
  FROM oauth_grant g
    LEFT JOIN api_client c ON c.id = g.client_id AND c.ended_at IS NULL
    LEFT JOIN member m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id AND m.status = 'active'
    LEFT JOIN tenant n ON n.id = g.tenant_id
    LEFT JOIN instance i ON i.id = 1
  WHERE g.tenant_id = p_tenant AND g.id = p_grant
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_standing(text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_standing(text, text, timestamptz) TO valetkey_app;
