-- How a token stands that is used through us: live | ended | revoked | frozen. Everything that it was made under is asked,
-- each time: nobody keeps the answer. Nothing is locked, because a use changes nothing that a revocation could miss.
CREATE OR REPLACE FUNCTION vk.token_state(t public.issued_token) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  IF t.status <> 'live' OR t.generation <> 0 THEN RETURN 'revoked'; END IF;
  RETURN (SELECT CASE
      WHEN t.generations IS DISTINCT FROM g.generations THEN 'revoked'
      WHEN t.expires_at <= v_now THEN 'ended'
      WHEN NOT g.is_active OR EXISTS (SELECT FROM vk.freezes_on(t.tenant_id, t.user_id, t.provider_id, t.connection_id,
        ARRAY[t.project_id], t.client_id, t.grant_id, v_now)) THEN 'frozen'
      ELSE 'live' END
    FROM vk.ground_now(t.tenant_id, t.user_id, t.project_id, t.provider_id, t.connection_id, t.client_id, t.grant_id) g);
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_state(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_state(public.issued_token) TO valetkey_app;
