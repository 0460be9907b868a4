-- What the levels say of a person at a project, the widest first. p_project NULL: it is not known yet. The tenant is set. Plain
-- SQL, which is written into whatever asks.
CREATE OR REPLACE FUNCTION vk.policies_at(p_tenant text, p_provider text, p_project text, p_user text)
  RETURNS SETOF public.policy LANGUAGE sql STABLE ROWS 4 AS $$
  SELECT p.* FROM policy p WHERE p.tenant_id = p_tenant AND (p.level = 'tenant' AND p.target_id = p_tenant
      OR p.level = 'provider' AND p.target_id = p_provider OR p.level = 'project' AND p.target_id = p_project
      OR p.level = 'person' AND p.target_id = p_user)
  ORDER BY array_position(ARRAY['tenant', 'provider', 'project', 'person'], p.level)
$$;
REVOKE EXECUTE ON FUNCTION vk.policies_at(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.policies_at(text, text, text, text) TO valetkey_app;
