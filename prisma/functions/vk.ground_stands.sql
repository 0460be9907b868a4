-- Whether everything that a token is made under stands: nothing of it revoked or frozen, its member active. The token itself need
-- not be there yet. What it stands on is locked first, in the order in which a revocation locks, so that a revocation or freeze
-- either is seen here or waits for this transaction (A-03). The tenant is set.
CREATE OR REPLACE FUNCTION vk.ground_stands(t public.issued_token) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz;
BEGIN
  PERFORM 1 FROM connection c WHERE c.tenant_id = t.tenant_id AND c.id = t.connection_id FOR SHARE;
  PERFORM 1 FROM project p WHERE p.tenant_id = t.tenant_id AND p.id = t.project_id FOR SHARE;
  PERFORM 1 FROM provider r WHERE r.tenant_id = t.tenant_id AND r.id = t.provider_id FOR SHARE;
  PERFORM 1 FROM member m WHERE m.tenant_id = t.tenant_id AND m.user_id = t.user_id FOR SHARE;
  PERFORM 1 FROM tenant n WHERE n.id = t.tenant_id FOR SHARE;
  IF t.client_id IS NOT NULL THEN
    PERFORM 1 FROM api_client a WHERE a.id = t.client_id FOR SHARE;
    PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = t.tenant_id AND o.id = t.grant_id FOR SHARE;
  END IF;
  PERFORM 1 FROM instance i WHERE i.id = 1 FOR SHARE;
  v_now := vk_now();
  -- A statement of its own: it sees what was committed until the locks were there.
  RETURN (SELECT t.generations = g.generations AND g.is_active AND NOT EXISTS (SELECT FROM vk.freezes_on(t.tenant_id, t.user_id,
      t.provider_id, t.connection_id, ARRAY[t.project_id], t.client_id, t.grant_id, v_now))
    FROM vk.ground_now(t.tenant_id, t.user_id, t.project_id, t.provider_id, t.connection_id, t.client_id, t.grant_id) g);
END $$;
REVOKE EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) TO valetkey_app;
