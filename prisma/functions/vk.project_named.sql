-- A project that somebody sees, by id or by any alias it ever had. p_all: they see those that only others linked. Two projects may
-- have one alias where nobody who named them saw both: then it means the viewer's own, and of those the one that it meant for them
-- first, so that no script begins to reach another project. The tenant is set. Plain SQL, which is written into whatever asks.
CREATE OR REPLACE FUNCTION vk.project_named(p_tenant text, p_user text, p_all boolean, p_name text)
  RETURNS SETOF public.project LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT p.* FROM (
      SELECT p_name AS id, NULL::timestamptz AS since
      UNION ALL SELECT a.project_id, a.created_at FROM project_alias a WHERE a.tenant_id = p_tenant AND a.alias = p_name) named
    JOIN project p ON p.tenant_id = p_tenant AND p.id = named.id
    LEFT JOIN connection_project own ON own.tenant_id = p_tenant AND own.project_id = p.id AND own.user_id = p_user
  WHERE (own.user_id IS NOT NULL OR p.settings IS NOT NULL OR p_all) AND p.removed_at IS NULL
  ORDER BY own.user_id IS NULL, greatest(named.since, own.created_at), p.id LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION vk.project_named(text, text, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.project_named(text, text, boolean, text) TO valetkey_app;
