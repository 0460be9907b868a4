-- How a grant stands now: vk.grant_standing in one word. The tenant is set.
CREATE OR REPLACE FUNCTION vk.grant_state(g public.oauth_grant) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  RETURN (SELECT s.state FROM vk.grant_standing(g.tenant_id, g.id, v_now) s);
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) TO valetkey_app;
