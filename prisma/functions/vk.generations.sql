-- The generations of what a token stands on now: vk.ground_now in one value. NULL where something that is named is not there. A
-- token without client and grant has seven, as every one of the version before: both read each other's.
CREATE OR REPLACE FUNCTION vk.generations(p_tenant text, p_user text, p_project text, p_provider text, p_connection text,
    p_client text, p_grant text)
  RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT g.generations FROM vk.ground_now(p_tenant, p_user, p_project, p_provider, p_connection, p_client, p_grant) g
    WHERE array_position(g.generations, NULL) IS NULL);
END $$;
REVOKE EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) TO valetkey_app;
