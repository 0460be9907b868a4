-- Whether a person may act now, for acts that are one statement: what lib/store/authority.ts asks in statements of its own. Sets
-- the tenant and locks in its order, member first, then what they act through. NULL: they may, in one of p_roles, and it stays so
-- until the transaction ends. Otherwise why not: unauthenticated | not_found | forbidden.
-- p_by: {session, idle} of a browser, {grant, client, scopes} of a program, {issuer, generation, client, scopes} of one that a
-- trusted issuer vouches for.
-- A row is read by the statement that locks it: it answers the row as it stands once the lock is there (READ COMMITTED).
CREATE OR REPLACE FUNCTION vk.act_hold(p_tenant text, p_user text, p_by jsonb, p_roles text[]) RETURNS text
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_tenant text := set_config('app.tenant_id', p_tenant, true);
  v_session text := p_by ->> 'session';
  v_role text;
  v_status text;
  v_expires timestamptz;
  v_active timestamptz;
  v_now timestamptz;
  v_scopes text[];
BEGIN
  SELECT m.role, m.status INTO v_role, v_status FROM member m WHERE m.tenant_id = v_tenant AND m.user_id = p_user FOR SHARE;
  IF v_session IS NOT NULL THEN
    SELECT s.expires_at, s.last_active_at INTO v_expires, v_active FROM session s WHERE s.id = v_session AND s.user_id = p_user FOR SHARE;
    IF NOT FOUND THEN RETURN 'unauthenticated'; END IF;
    v_now := vk_now();
    -- A refusal is written under a lock of its member, so a statement of its own sees it.
    IF v_expires <= v_now OR v_active <= v_now - make_interval(secs => (p_by ->> 'idle')::float8)
      OR EXISTS (SELECT FROM session_refusal r WHERE r.tenant_id = v_tenant AND r.session_id = v_session) THEN
      RETURN 'unauthenticated';
    END IF;
  ELSE
    v_scopes := CASE WHEN p_by ? 'grant' THEN vk.grant_hold(v_tenant, p_by ->> 'grant', p_by ->> 'client')
      ELSE vk.incoming_hold(v_tenant, p_by ->> 'issuer', (p_by ->> 'generation')::int, p_by ->> 'client') END;
    IF v_scopes IS NULL OR NOT to_jsonb(v_scopes) @> (p_by -> 'scopes') THEN RETURN 'unauthenticated'; END IF;
  END IF;
  -- Foreign, unknown and suspended are the same (Z-02, E-04).
  IF v_status IS DISTINCT FROM 'active' THEN RETURN 'not_found'; END IF;
  RETURN CASE WHEN v_role = ANY (p_roles) THEN NULL ELSE 'forbidden' END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.act_hold(text, text, jsonb, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.act_hold(text, text, jsonb, text[]) TO valetkey_app;
