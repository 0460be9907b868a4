-- Whether a person may act now, for acts that are one statement: what lib/store/authority.ts asks in statements of its own. Sets
-- the tenant and locks in its order, member first, then what they act through. NULL: they may, in one of p_roles, and it stays so
-- until the transaction ends. Otherwise why not: unauthenticated | not_found | forbidden.
-- p_by: {session, idle} of a browser, {grant, client, scopes} of a program, {issuer, generation, client, scopes} of one that a
-- trusted issuer vouches for.
CREATE OR REPLACE FUNCTION vk.act_hold(p_tenant text, p_user text, p_by jsonb, p_roles text[]) RETURNS text
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  m record;
  v_scopes text[];
BEGIN
  SELECT b.role, b.status, b.live INTO m
    FROM vk.act_begin(p_tenant, p_user, p_by ->> 'session', (p_by ->> 'idle')::float8, '{}', '{}', false) b;
  IF p_by ? 'session' THEN
    IF NOT m.live THEN RETURN 'unauthenticated'; END IF;
  ELSE
    v_scopes := CASE WHEN p_by ? 'grant' THEN vk.grant_hold(p_tenant, p_by ->> 'grant', p_by ->> 'client')
      ELSE vk.incoming_hold(p_tenant, p_by ->> 'issuer', (p_by ->> 'generation')::int, p_by ->> 'client') END;
    IF v_scopes IS NULL OR NOT to_jsonb(v_scopes) @> (p_by -> 'scopes') THEN RETURN 'unauthenticated'; END IF;
  END IF;
  -- Foreign, unknown and suspended are the same (Z-02, E-04).
  IF m.status IS DISTINCT FROM 'active' THEN RETURN 'not_found'; END IF;
  RETURN CASE WHEN m.role = ANY (p_roles) THEN NULL ELSE 'forbidden' END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.act_hold(text, text, jsonb, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.act_hold(text, text, jsonb, text[]) TO valetkey_app;
