-- Whether everything that a token was made under still stands: nothing of it revoked or frozen, its member active. Its end
-- is not asked. What it stands on is locked first, in the order in which a revocation locks (connection before token), so
-- that a revocation or freeze either is seen here or waits for this transaction (A-03).
CREATE OR REPLACE FUNCTION vk.token_stands(p_tenant text, p_id text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE t public.issued_token%ROWTYPE;
BEGIN
  SELECT * INTO t FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id;
  PERFORM 1 FROM connection c WHERE c.tenant_id = p_tenant AND c.id = t.connection_id FOR SHARE;
  PERFORM 1 FROM project p WHERE p.tenant_id = p_tenant AND p.id = t.project_id FOR SHARE;
  PERFORM 1 FROM provider r WHERE r.tenant_id = p_tenant AND r.id = t.provider_id FOR SHARE;
  PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = t.user_id FOR SHARE;
  PERFORM 1 FROM tenant n WHERE n.id = p_tenant FOR SHARE;
  PERFORM 1 FROM api_client a WHERE a.id = t.client_id FOR SHARE;
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = t.grant_id FOR SHARE;
  PERFORM 1 FROM instance i WHERE i.id = 1 FOR SHARE;
  -- A statement of its own: it sees what was committed until the locks were there.
  RETURN EXISTS (SELECT FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id
      AND k.status IN ('issuing', 'live') AND k.generation = 0
      AND k.generations = vk.generations(k.tenant_id, k.user_id, k.project_id, k.provider_id, k.connection_id, k.client_id, k.grant_id))
    AND NOT EXISTS (SELECT FROM vk.frozen_by(p_tenant, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id]))
    AND NOT vk.program_frozen(p_tenant, t.client_id, t.grant_id);
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_stands(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_stands(text, text) TO valetkey_app;
