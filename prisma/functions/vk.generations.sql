-- The generations of what a token stands on now, in the order of issued_token.generations, which nothing else knows: its
-- own (none has been raised yet), connection, project, provider, member, tenant, instance, then client and grant. NULL for
-- p_connection (strategy sign), p_client and p_grant: it stands on none. NULL where something that is named is not there.
-- A token without client and grant has seven, as every one of the version before: both read each other's.
-- PL/pgSQL, whose plan is kept: as plain SQL it was planned anew in every use through the proxy, at five times the cost.
CREATE OR REPLACE FUNCTION vk.generations(p_tenant text, p_user text, p_project text, p_provider text, p_connection text,
    p_client text, p_grant text)
  RETURNS int[] LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_now int[] := ARRAY[
    0,
    CASE WHEN p_connection IS NULL THEN 0
      ELSE (SELECT c.generation FROM connection c WHERE c.tenant_id = p_tenant AND c.id = p_connection) END,
    (SELECT p.generation FROM project p WHERE p.tenant_id = p_tenant AND p.id = p_project),
    (SELECT r.generation FROM provider r WHERE r.tenant_id = p_tenant AND r.id = p_provider),
    (SELECT m.generation FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user),
    (SELECT n.generation FROM tenant n WHERE n.id = p_tenant),
    (SELECT i.generation FROM instance i WHERE i.id = 1)];
BEGIN
  IF p_client IS NOT NULL THEN
    v_now := v_now || (SELECT a.generation FROM api_client a WHERE a.id = p_client);
  END IF;
  IF p_grant IS NOT NULL THEN
    v_now := v_now || (SELECT o.generation FROM oauth_grant o
      WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client);
  END IF;
  RETURN CASE WHEN array_position(v_now, NULL) IS NULL THEN v_now END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) TO valetkey_app;
