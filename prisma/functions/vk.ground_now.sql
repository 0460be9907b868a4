-- What a token stands on now: the generations in the order of issued_token.generations: its own (none has been raised yet),
-- connection, project, provider, member, tenant, instance, then client and grant; and whether its member is active. The order is
-- known here and to those who read each with its row: vk.ground_stands, vk.issue_ground.
-- NULL for p_connection (strategy sign), p_client and p_grant: it stands on none. An element is NULL where something that is named
-- is not there. The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.ground_now(p_tenant text, p_user text, p_project text, p_provider text, p_connection text, p_client text,
    p_grant text)
  RETURNS TABLE (generations int[], is_active boolean) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT ARRAY[0, CASE WHEN p_connection IS NULL THEN 0 ELSE c.generation END, p.generation, r.generation, m.generation,
      n.generation, i.generation]
    || CASE WHEN p_client IS NULL THEN '{}' ELSE ARRAY[(SELECT a.generation FROM api_client a WHERE a.id = p_client)] END
    || CASE WHEN p_grant IS NULL THEN '{}' ELSE ARRAY[(SELECT o.generation FROM oauth_grant o
      WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client)] END,
    m.status = 'active'
  FROM (SELECT) one
    LEFT JOIN connection c ON c.tenant_id = p_tenant AND c.id = p_connection
    LEFT JOIN project p ON p.tenant_id = p_tenant AND p.id = p_project
    LEFT JOIN provider r ON r.tenant_id = p_tenant AND r.id = p_provider
    LEFT JOIN member m ON m.tenant_id = p_tenant AND m.user_id = p_user
    LEFT JOIN tenant n ON n.id = p_tenant
    LEFT JOIN instance i ON i.id = 1
$$;
REVOKE EXECUTE ON FUNCTION vk.ground_now(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.ground_now(text, text, text, text, text, text, text) TO valetkey_app;
