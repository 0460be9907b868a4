-- The generations that a grant stands on now, in the order of oauth_grant.generations and access_token.generations, which
-- nothing else knows: its own, client, member, tenant, instance. A grant's own is 0 until it ends. NULL where one is not there.
CREATE OR REPLACE FUNCTION vk.grant_generations(p_tenant text, p_user text, p_client text, p_grant text) RETURNS int[]
  LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_now int[] := ARRAY[
    CASE WHEN p_grant IS NULL THEN 0
      ELSE (SELECT g.generation FROM oauth_grant g WHERE g.tenant_id = p_tenant AND g.id = p_grant) END,
    (SELECT c.generation FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL),
    (SELECT m.generation FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active'),
    (SELECT n.generation FROM tenant n WHERE n.id = p_tenant),
    (SELECT i.generation FROM instance i WHERE i.id = 1)];
BEGIN
  RETURN CASE WHEN array_position(v_now, NULL) IS NULL THEN v_now END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) TO valetkey_app;
