-- The generations that a grant stands on now, in the order of oauth_grant.generations and access_token.generations, which nothing
-- else knows: its own, client, member, tenant, instance. A grant's own is 0 until it ends. An element is NULL where one is not there.
-- The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.grant_ground(p_tenant text, p_user text, p_client text, p_grant text)
  RETURNS TABLE (generations int[]) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT ARRAY[CASE WHEN p_grant IS NULL THEN 0 ELSE g.generation END, c.generation, m.generation, n.generation, i.generation]
  FROM (SELECT) one
    LEFT JOIN oauth_grant g ON g.tenant_id = p_tenant AND g.id = p_grant
    LEFT JOIN api_client c ON c.id = p_client AND c.ended_at IS NULL
    LEFT JOIN member m ON m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active'
    LEFT JOIN tenant n ON n.id = p_tenant
    LEFT JOIN instance i ON i.id = 1
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_ground(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_ground(text, text, text, text) TO valetkey_app;
