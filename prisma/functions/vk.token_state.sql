-- How a token stands that is used through us: live | ended | revoked | frozen. Everything that it was made under is asked,
-- each time: nobody keeps the answer. Nothing is locked, because a use changes nothing that a revocation could miss.
CREATE OR REPLACE FUNCTION vk.token_state(t public.issued_token) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF t.status <> 'live' OR t.generation <> 0 OR t.generations IS DISTINCT FROM
      vk.generations(t.tenant_id, t.user_id, t.project_id, t.provider_id, t.connection_id, t.client_id, t.grant_id) THEN
    RETURN 'revoked';
  END IF;
  IF t.expires_at <= vk_now() THEN RETURN 'ended'; END IF;
  IF EXISTS (SELECT FROM vk.frozen_by(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id]))
    OR t.client_id IS NOT NULL AND vk.program_frozen(t.tenant_id, t.client_id, t.grant_id) THEN
    RETURN 'frozen';
  END IF;
  RETURN 'live';
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_state(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_state(public.issued_token) TO valetkey_app;
