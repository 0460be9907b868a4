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
  -- Statements of their own: they see what was committed until the locks were there. Most tenants have no freeze at all.
  IF NOT EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = t.tenant_id) THEN RETURN true; END IF;
  v_now := vk_now();
  RETURN NOT EXISTS (SELECT FROM vk.freezes_on(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id],
    t.client_id, t.grant_id, v_now));
END $$;
REVOKE EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.ground_stands(public.issued_token) TO valetkey_app;

-- Everything that an issue is decided on, as it stood at one moment: STABLE, so all of it is read under one snapshot, and what
-- changes later raises a generation that is told here. It locks nothing: vk.issue_begin does, and asks again. Names are those of
-- lib/store/issuing.ts. p_project: an id or alias; p_audience: of the tenant's own, by its URI. project NULL: there is none that they see. connection NULL: they have linked none, or it needs none.
-- ceilings NULL: the grant is not there, or they act through none. keys: of an audience, with what it may sign. Moments in keys are
-- texts.
CREATE OR REPLACE FUNCTION vk.issue_ground(p_tenant text, p_user text, p_project text, p_audience text, p_client text,
    p_grant text, p_overseers text[])
  RETURNS TABLE (role text, status text, project jsonb, provider jsonb, connection jsonb, client jsonb, ceilings jsonb,
    generations int[], policies jsonb, frozen boolean, keys jsonb)
  LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
  v_tenant text := set_config('app.tenant_id', p_tenant, true);
  v_project text;
  v_provider text;
  v_connection text;
  v_own boolean;
  -- Generations: each is read with its row.
  g_member int;
  g_project int;
  g_provider int;
  g_tenant int;
  g_instance int;
  g_connection int;
  g_program int[] := '{}';
BEGIN
  SELECT m.role, m.status, m.generation INTO role, status, g_member FROM member m
    WHERE m.tenant_id = v_tenant AND m.user_id = p_user;
  IF p_client IS NOT NULL THEN
    SELECT jsonb_build_object('id', a.id, 'name', a.name), ARRAY[a.generation] INTO client, g_program
      FROM api_client a WHERE a.id = p_client;
    SELECT o.ceilings, g_program || o.generation INTO ceilings, g_program FROM oauth_grant o
      WHERE o.tenant_id = v_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client;
  END IF;
  SELECT p.id, p.provider_id, p.settings IS NOT NULL, p.generation, jsonb_build_object('id', p.id, 'providerId', p.provider_id,
      'externalId', p.external_id, 'name', p.name, 'alias', p.alias, 'settings', p.settings)
    INTO v_project, v_provider, v_own, g_project, project FROM (
      SELECT n.* FROM vk.project_named(v_tenant, p_user, role = ANY (p_overseers), p_project) n
      UNION ALL SELECT a.* FROM project a JOIN provider r ON r.tenant_id = a.tenant_id AND r.id = a.provider_id AND r.kind = 'own'
        WHERE a.tenant_id = v_tenant AND a.external_id = p_audience AND a.removed_at IS NULL) p;
  IF v_project IS NULL THEN RETURN NEXT; RETURN; END IF;
  SELECT r.generation, n.generation, i.generation, jsonb_build_object('id', r.id, 'kind', r.kind, 'name', r.name, 'issuer', r.issuer,
      'callbackKey', r.callback_key, 'clientId', r.client_id, 'clientSecret', r.client_secret,
      'clientSecretBefore', r.client_secret_before, 'settings', r.settings)
    INTO g_provider, g_tenant, g_instance, provider FROM provider r, tenant n, instance i
    WHERE r.tenant_id = v_tenant AND r.id = v_provider AND n.id = v_tenant AND i.id = 1;
  IF v_own THEN
    keys := (SELECT jsonb_agg(jsonb_build_object('id', k.id, 'sealedPrivate', k.sealed_private, 'signsFrom', k.signs_from,
      'withdrawnAt', k.withdrawn_at)) FROM signing_key k WHERE k.tenant_id = v_tenant);
  ELSE
    SELECT c.id, c.generation, jsonb_build_object('id', c.id, 'accountId', c.account_id, 'status', c.status,
        'scopesGranted', c.scopes_granted, 'failures', c.failures, 'linkedAt', c.linked_at, 'lastRefreshAt', c.last_refresh_at)
      INTO v_connection, g_connection, connection
      FROM connection_project l JOIN connection c ON c.tenant_id = l.tenant_id AND c.id = l.connection_id
      WHERE l.tenant_id = v_tenant AND l.project_id = v_project AND l.user_id = p_user AND c.user_id = p_user;
  END IF;
  -- In the order of vk.ground_now. NULL: something is not there.
  generations := ARRAY[0, coalesce(g_connection, 0), g_project, g_provider, g_member, g_tenant, g_instance] || g_program;
  IF array_position(generations, NULL) IS NOT NULL THEN generations := NULL; END IF;
  policies := (SELECT coalesce(jsonb_agg(jsonb_build_object('level', o.level, 'targetId', o.target_id,
      'maxLifetimeSeconds', o.max_lifetime_seconds, 'overLife', o.over_life, 'maxTokens', o.max_tokens, 'strategies', o.strategies,
      'linkRoles', o.link_roles, 'issueRoles', o.issue_roles, 'rights', o.rights, 'impersonation', o.impersonation)), '[]')
    FROM vk.policies_at(v_tenant, v_provider, v_project, p_user) o);
  -- Most tenants have no freeze at all.
  frozen := status IS DISTINCT FROM 'active' OR EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = v_tenant)
    AND EXISTS (SELECT FROM vk.frozen_by(v_tenant, p_user, v_provider, v_connection, ARRAY[v_project]));
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) TO valetkey_app;
