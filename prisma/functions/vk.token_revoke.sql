-- Revokes what a client brings (RFC 7009), if it is its own: an access token goes at once; of a refresh token the grant is
-- named that is to end, with everything made from it (I-06). outcome: invalid_client | done (also for what is unknown, dead or
-- another client's) | grant.
CREATE OR REPLACE FUNCTION vk.token_revoke(p_client text, p_secret bytea, p_asserted int, p_access bytea, p_family bytea)
  RETURNS TABLE (outcome text, tenant_id text, grant_id text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE v_tenant text;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  IF NOT EXISTS (SELECT FROM vk.client_admitted(p_client, p_secret, p_asserted)) THEN
    outcome := 'invalid_client'; RETURN NEXT; RETURN;
  END IF;
  outcome := 'done';
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_access(p_access) l;
  IF tenant_id IS NOT NULL THEN
    v_tenant := set_config('app.tenant_id', tenant_id, true);
    DELETE FROM access_token a WHERE a.hash = p_access AND EXISTS (SELECT FROM oauth_grant g
      WHERE g.tenant_id = a.tenant_id AND g.id = a.grant_id AND g.client_id = p_client);
    RETURN NEXT; RETURN;
  END IF;
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_family(p_family) l;
  IF tenant_id IS NOT NULL THEN
    v_tenant := set_config('app.tenant_id', tenant_id, true);
    IF EXISTS (SELECT FROM oauth_grant g WHERE g.tenant_id = token_revoke.tenant_id AND g.id = token_revoke.grant_id
      AND g.client_id = p_client) THEN outcome := 'grant'; END IF;
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_revoke(text, bytea, int, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_revoke(text, bytea, int, bytea, bytea) TO valetkey_app;
