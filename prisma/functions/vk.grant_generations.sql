-- The generations that a grant stands on now: vk.grant_ground in one value. NULL where something is not there.
CREATE OR REPLACE FUNCTION vk.grant_generations(p_tenant text, p_user text, p_client text, p_grant text) RETURNS int[]
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT g.generations FROM vk.grant_ground(p_tenant, p_user, p_client, p_grant) g
    WHERE array_position(g.generations, NULL) IS NULL);
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) TO valetkey_app;
