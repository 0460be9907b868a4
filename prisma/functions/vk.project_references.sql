-- Projects of a connection, as notifications and messages name them.
CREATE OR REPLACE FUNCTION vk.project_references(p_tenant text, p_connection text) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'alias', p.alias) ORDER BY p.alias), '[]')
  FROM connection_project l JOIN project p ON p.tenant_id = l.tenant_id AND p.id = l.project_id
  WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection
$$;
REVOKE EXECUTE ON FUNCTION vk.project_references(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.project_references(text, text) TO valetkey_app;
