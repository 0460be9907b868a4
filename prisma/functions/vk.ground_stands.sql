-- Whether everything that a token is made under stands: nothing of it revoked or frozen, its member active. The token itself need
-- not be there yet. What it stands on is locked in the order in which a revocation locks, so that a revocation or freeze either is
-- seen here or waits for this transaction (A-03). The tenant is set.
-- A row's generation is read by the statement that locks it: it answers the row as it stands once the lock is there (READ COMMITTED).
-- Several rows of one statement are locked in the order of its FROM (docs/decisions/0081). The order of the generations is that
-- of vk.ground_now.
CREATE OR REPLACE FUNCTION vk.ground_stands(t public.issued_token) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_connection int := 0;
  v_project int;
  v_provider int;
  v_member int;
  v_tenant int;
  v_instance int;
  v_status text;
  v_one int;
  v_program int[] := '{}';
  v_now timestamptz;
BEGIN
  IF t.connection_id IS NOT NULL THEN
    SELECT c.generation INTO v_connection FROM connection c WHERE c.tenant_id = t.tenant_id AND c.id = t.connection_id FOR SHARE;
  END IF;
  SELECT p.generation, r.generation, m.generation, n.generation, m.status INTO v_project, v_provider, v_member, v_tenant, v_status
    FROM project p, provider r, member m, tenant n
    WHERE p.tenant_id = t.tenant_id AND p.id = t.project_id AND r.tenant_id = t.tenant_id AND r.id = t.provider_id
      AND m.tenant_id = t.tenant_id AND m.user_id = t.user_id AND n.id = t.tenant_id FOR SHARE;
  IF t.client_id IS NOT NULL THEN
    SELECT a.generation INTO v_one FROM api_client a WHERE a.id = t.client_id FOR SHARE;
    v_program := v_program || v_one;
  END IF;
  IF t.grant_id IS NOT NULL THEN
    SELECT o.generation INTO v_one FROM oauth_grant o WHERE o.tenant_id = t.tenant_id AND o.id = t.grant_id
      AND o.user_id = t.user_id AND o.client_id = t.client_id FOR SHARE;
    v_program := v_program || v_one;
  END IF;
  SELECT i.generation INTO v_instance FROM instance i WHERE i.id = 1 FOR SHARE;
  -- What is not there is NULL, and no token was made under it.
  IF v_status IS DISTINCT FROM 'active' OR t.generations IS DISTINCT FROM
    ARRAY[0, v_connection, v_project, v_provider, v_member, v_tenant, v_instance] || v_program THEN RETURN false; END IF;
  -- Of several projects that a connection reaches one may have been taken off, which waits for its row or has seen to this token.
  IF t.connection_id IS NOT NULL AND NOT EXISTS (SELECT FROM connection_project l
      WHERE l.tenant_id = t.tenant_id AND l.connection_id = t.connection_id AND l.project_id = t.project_id) THEN
    RETURN false;
  END IF;
  -- Statements of their own: they see what was committed until the locks were there. Most tenants have no freeze at all.
  IF NOT EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = t.tenant_id) THEN RETURN true; END IF;
  v_now := vk_now();
  RETURN NOT EXISTS (SELECT FROM vk.freezes_on(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id],
    t.client_id, t.grant_id, v_now));
END $$;
REVOKE EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) TO valetkey_app;
