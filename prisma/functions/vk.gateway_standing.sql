-- How each of these stands now: tokens as they were brought, by hash in hex, a space and the project's id. Asked several times a
-- second for those with a running call (vk.gateway_enter decides about new ones). A connection that was disconnected ends what
-- runs over it.
CREATE OR REPLACE FUNCTION vk.gateway_standing(p_tenant text, p_keys text[]) RETURNS TABLE (key text, state text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  RETURN QUERY
    SELECT k.key, vk.token_state(t)
      FROM unnest(p_keys) AS k (key) JOIN issued_token t
        ON t.secret_hash = decode(split_part(k.key, ' ', 1), 'hex') AND t.tenant_id = p_tenant AND t.project_id = split_part(k.key, ' ', 2)
    UNION ALL
    SELECT k.key, CASE
        WHEN a.generations IS DISTINCT FROM s.generations THEN 'revoked'
        WHEN a.expires_at <= v_now THEN 'ended'
        WHEN s.state <> 'live' THEN s.state
        WHEN EXISTS (SELECT FROM vk.frozen_by(p_tenant, s.user_id, p.provider_id, c.id, ARRAY[p.id])) THEN 'frozen'
        WHEN c.status = 'revoked' THEN 'revoked'
        ELSE 'live' END
      FROM unnest(p_keys) AS k (key) JOIN access_token a
        ON a.hash = decode(split_part(k.key, ' ', 1), 'hex') AND a.tenant_id = p_tenant
      CROSS JOIN LATERAL vk.grant_standing(p_tenant, a.grant_id, v_now) s
      JOIN project p ON p.tenant_id = p_tenant AND p.id = split_part(k.key, ' ', 2)
      LEFT JOIN connection_project l ON l.tenant_id = p_tenant AND l.user_id = s.user_id AND l.project_id = p.id
      LEFT JOIN connection c ON c.tenant_id = p_tenant AND c.id = l.connection_id;
END $$;
REVOKE EXECUTE ON FUNCTION vk.gateway_standing(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.gateway_standing(text, text[]) TO valetkey_app;
