-- How a grant stands that is used: live | ended | revoked | frozen. Everything that it was made under is asked, each time:
-- nobody keeps the answer. Nothing is locked: what is made from it meanwhile carries these generations and is asked again.
CREATE OR REPLACE FUNCTION vk.grant_state(g public.oauth_grant) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF g.ended_at IS NOT NULL
    OR g.generations IS DISTINCT FROM vk.grant_generations(g.tenant_id, g.user_id, g.client_id, g.id) THEN
    RETURN 'revoked';
  END IF;
  IF g.expires_at <= vk_now() THEN RETURN 'ended'; END IF;
  IF EXISTS (SELECT FROM vk.frozen_by(g.tenant_id, g.user_id, '', '', '{}'))
    OR vk.program_frozen(g.tenant_id, g.client_id, g.id) THEN
    RETURN 'frozen';
  END IF;
  RETURN 'live';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) TO valetkey_app;
