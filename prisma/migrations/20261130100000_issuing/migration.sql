-- Issuing a token is one statement that reads what it is decided on, one that begins it and one that completes it
-- (docs/decisions/0069).

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

-- The freezes that stand on what somebody uses; NULL: none of that kind is asked about. A freeze whose time is over is none. p_now:
-- the moment that counts. The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.freezes_on(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[],
    p_client text, p_grant text, p_now timestamptz)
  RETURNS SETOF public.freeze_fact LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT f.* FROM freeze_fact f WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > p_now) AND (
    (f.kind, f.target_id) IN (('member', p_user), ('provider', p_provider), ('connection', p_connection), ('client', p_client),
      ('grant', p_grant))
    OR f.kind = 'project' AND f.target_id = ANY (p_projects))
$$;
REVOKE EXECUTE ON FUNCTION vk.freezes_on(text, text, text, text, text[], text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.freezes_on(text, text, text, text, text[], text, text, timestamptz) TO valetkey_app;

-- What stops the use of a connection by its owner, or of a project or provider that somebody would link: the widest first,
-- then what lasts longest. p_connection: NULL where there is none yet. p_projects: those that matter; NULL: every one that
-- the connection reaches. Who is suspended or gone stops it like a freeze (kind membership). Nothing but
-- vk.freezes_on decides which freeze counts.
CREATE OR REPLACE FUNCTION vk.frozen_by(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[])
  RETURNS TABLE (kind text, target_id text, frozen_by text, frozen_at timestamptz, reason text, until timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_projects text[];
  v_now timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active') THEN
    kind := 'membership'; target_id := p_user;
    RETURN NEXT;
  END IF;
  -- Most tenants have none, and every use through the proxy asks.
  IF NOT EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = p_tenant) THEN RETURN; END IF;
  v_projects := coalesce(p_projects, ARRAY(SELECT l.project_id FROM connection_project l
    WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection));
  v_now := vk_now();
  RETURN QUERY SELECT f.kind, f.target_id, f.frozen_by, f.frozen_at, f.reason, f.until
    FROM vk.freezes_on(p_tenant, p_user, p_provider, p_connection, v_projects, NULL, NULL, v_now) f
    ORDER BY array_position(ARRAY['member', 'provider', 'project', 'connection'], f.kind), f.until DESC NULLS FIRST;
END $$;
REVOKE EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) TO valetkey_app;

-- The generations of what a token stands on now: vk.ground_now in one value. NULL where something that is named is not there. A
-- token without client and grant has seven, as every one of the version before: both read each other's.
CREATE OR REPLACE FUNCTION vk.generations(p_tenant text, p_user text, p_project text, p_provider text, p_connection text,
    p_client text, p_grant text)
  RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT g.generations FROM vk.ground_now(p_tenant, p_user, p_project, p_provider, p_connection, p_client, p_grant) g
    WHERE array_position(g.generations, NULL) IS NULL);
END $$;
REVOKE EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) TO valetkey_app;

-- The generations that a grant stands on now: vk.grant_ground in one value. NULL where something is not there.
CREATE OR REPLACE FUNCTION vk.grant_generations(p_tenant text, p_user text, p_client text, p_grant text) RETURNS int[]
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT g.generations FROM vk.grant_ground(p_tenant, p_user, p_client, p_grant) g
    WHERE array_position(g.generations, NULL) IS NULL);
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) TO valetkey_app;

-- The generations that a grant stands on now, in the order of oauth_grant.generations and access_token.generations, which nothing
-- else knows: its own, client, member, tenant, instance. A grant's own is 0 until it ends. An element is NULL where one is not there.
-- The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.grant_ground(p_tenant text, p_user text, p_client text, p_grant text)
  RETURNS TABLE (generations int[]) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT ARRAY[CASE WHEN p_grant IS NULL THEN 0 ELSE g.generation END, c.generation, m.generation, n.generation, i.generation]
  FROM (SELECT) one
    LEFT JOIN oauth_grant g ON g.tenant_id = p_tenant AND g.id = p_grant
    LEFT JOIN api_client c ON c.id = p_client AND c.ended_at IS NULL
    LEFT JOIN member m ON m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active'
    LEFT JOIN tenant n ON n.id = p_tenant
    LEFT JOIN instance i ON i.id = 1
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_ground(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_ground(text, text, text, text) TO valetkey_app;

-- Makes the grant that a person's answer stands for, with its first tokens, and consumes the request: once, and only while it
-- lives (D-05, O-09, O-20). Sets the tenant. p_grant names the new row; hashes are those of the tokens that the client will
-- hold; p_family NULL: no refresh tokens. Answers ok, or why not: lost (somebody else consumed it, or its time is over) |
-- withdrawn (what it was answered under has changed since).
CREATE OR REPLACE FUNCTION vk.grant_make(r public.authorization_request, c public.api_client, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz := vk_now();
  v_tenant text;
  v_renews boolean := p_family IS NOT NULL AND 'refresh_token' = ANY (c.grant_types);
BEGIN
  v_tenant := set_config('app.tenant_id', r.tenant_chosen, true);
  IF NOT EXISTS (SELECT FROM vk.grant_ground(v_tenant, r.claimed_by, c.id, NULL) n WHERE n.generations = r.generations
      AND NOT EXISTS (SELECT FROM vk.freezes_on(v_tenant, r.claimed_by, NULL, NULL, '{}', c.id, NULL, v_now))) THEN
    UPDATE authorization_request a SET status = 'denied' WHERE a.id = r.id AND a.status = 'approved';
    RETURN 'withdrawn';
  END IF;
  UPDATE authorization_request a SET status = 'consumed', grant_id = p_grant, state = NULL, code_challenge = NULL
    WHERE a.id = r.id AND a.status = 'approved' AND a.expires_at > vk_now();
  IF NOT FOUND THEN RETURN 'lost'; END IF;
  INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, via, scopes, resource, ceilings, proof_key, generations, address,
      agent, auth_time, last_used_at, last_address, family_hash, refresh_hash, refresh_expires_at, created_at, expires_at)
    VALUES (r.tenant_chosen, p_grant, r.claimed_by, c.id, r.kind, r.scopes_granted, r.resource, coalesce(r.ceilings, '{}'), p_proof,
      r.generations, r.address, r.agent, r.auth_time, v_now, p_address, CASE WHEN v_renews THEN p_family END,
      CASE WHEN v_renews THEN p_refresh END, CASE WHEN v_renews THEN v_now + p_lives[2] END, v_now, v_now + p_lives[3]);
  INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
    VALUES (p_access, v_tenant, p_grant, r.scopes_granted, r.resource, r.generations, v_now, v_now + p_lives[1]);
  -- Its body is what lib/audit/record.ts writes.
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (v_tenant, vk.new_id('evt'), v_now, jsonb_build_object(
    'action', 'grant.created', 'outcome', 'ok', 'actor', r.claimed_by, 'session', NULL, 'client', c.id, 'grant', p_grant,
    'address', p_address, 'agent', p_agent, 'request', p_event, 'target', jsonb_build_object('kind', 'grant', 'id', p_grant),
    'details', jsonb_build_object('via', r.kind, 'scopes', r.scopes_granted,
      'projects', ARRAY(SELECT jsonb_object_keys(coalesce(r.ceilings, '{}'))))));
  RETURN 'ok';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;

-- What a token stands on now: the generations in the order of issued_token.generations, which nothing else knows: its own (none has
-- been raised yet), connection, project, provider, member, tenant, instance, then client and grant; and whether its member is active.
-- NULL for p_connection (strategy sign), p_client and p_grant: it stands on none. An element is NULL where something that is named
-- is not there. The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.ground_now(p_tenant text, p_user text, p_project text, p_provider text, p_connection text, p_client text,
    p_grant text)
  RETURNS TABLE (generations int[], is_active boolean) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT ARRAY[0, CASE WHEN p_connection IS NULL THEN 0 ELSE c.generation END, p.generation, r.generation, m.generation,
      n.generation, i.generation]
    || CASE WHEN p_client IS NULL THEN '{}' ELSE ARRAY[(SELECT a.generation FROM api_client a WHERE a.id = p_client)] END
    || CASE WHEN p_grant IS NULL THEN '{}' ELSE ARRAY[(SELECT o.generation FROM oauth_grant o
      WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client)] END,
    m.status = 'active'
  FROM (SELECT) one
    LEFT JOIN connection c ON c.tenant_id = p_tenant AND c.id = p_connection
    LEFT JOIN project p ON p.tenant_id = p_tenant AND p.id = p_project
    LEFT JOIN provider r ON r.tenant_id = p_tenant AND r.id = p_provider
    LEFT JOIN member m ON m.tenant_id = p_tenant AND m.user_id = p_user
    LEFT JOIN tenant n ON n.id = p_tenant
    LEFT JOIN instance i ON i.id = 1
$$;
REVOKE EXECUTE ON FUNCTION vk.ground_now(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.ground_now(text, text, text, text, text, text, text) TO valetkey_app;

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

-- Keeps a sealed answer for a while under the key whose row its try holds. p_once: {id, answer, seconds}; without an answer nothing
-- is kept. The tenant is set.
CREATE OR REPLACE FUNCTION vk.idempotency_answer(p_tenant text, p_once jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  UPDATE idempotency_key i SET answer = p_once ->> 'answer', answered_at = v_now,
      answer_until = v_now + make_interval(secs => (p_once ->> 'seconds')::float8)
    WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND p_once ? 'answer';
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_answer(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_answer(text, jsonb) TO valetkey_app;

-- Takes a key for a try of somebody who may act now: vk.idempotency_claim. `refused`: they may not, as vk.act_hold says; then nothing
-- is asked.
CREATE OR REPLACE FUNCTION vk.idempotency_take(p_tenant text, p_user text, p_by jsonb, p_roles text[], p_id text, p_request bytea,
    p_claim text, p_lease interval, p_kept interval)
  RETURNS TABLE (refused text, outcome text, answer text, token text, seconds int) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
  refused := vk.act_hold(p_tenant, p_user, p_by, p_roles);
  IF refused IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  RETURN QUERY SELECT NULL::text, c.outcome, c.answer, c.token, c.seconds
    FROM vk.idempotency_claim(p_tenant, p_id, p_request, p_claim, p_lease, p_kept) c;
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) TO valetkey_app;

-- Writes the row of a token that is about to be made, or with status live one that is made with it, and its events: under lock, and
-- only if who asks may do so now in the role for which it was decided. NULL: it is written. Otherwise why not, and nothing is:
-- unauthenticated | not_found | forbidden (vk.act_hold) | changed (what was to sign it does so no more) | too_many_tokens |
-- token_outstanding (nothing else may be made at its connection until then) | revoked_meanwhile | idempotency_running (another try
-- holds the key by now).
-- p_token: columns of the row; its generations are those of what it was decided on. p_most: living tokens that the member may hold.
-- p_signer: the key that has signed it, or NULL. p_once: {id, claim} of an idempotency key or NULL; {answer, seconds} where the token
-- is made with its row. p_events: [{id, body}].
CREATE OR REPLACE FUNCTION vk.issue_begin(p_tenant text, p_user text, p_by jsonb, p_role text, p_token jsonb, p_most int,
    p_signer text, p_once jsonb, p_events jsonb, p_now timestamptz)
  RETURNS TABLE (outcome text, until timestamptz) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE t public.issued_token%ROWTYPE := jsonb_populate_record(NULL::issued_token, p_token);
BEGIN
  t.tenant_id := p_tenant; t.user_id := p_user;
  outcome := vk.act_hold(p_tenant, p_user, p_by, ARRAY[p_role]);
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  -- One issue of a member at a time, so that what is counted and looked for holds in a race.
  PERFORM pg_advisory_xact_lock(hashtextextended(format('issue %s %s', p_tenant, p_user), 0));
  IF (SELECT count(*) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.user_id = p_user AND k.status IN ('issuing', 'live')
      AND k.expires_at > p_now) >= p_most THEN
    outcome := 'too_many_tokens';
    RETURN NEXT; RETURN;
  END IF;
  IF t.exclusive THEN
    until := (SELECT max(k.expires_at) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.connection_id = t.connection_id
      AND k.exclusive AND k.status IN ('issuing', 'live') AND k.generation = 0 AND k.expires_at > p_now);
    IF until IS NOT NULL THEN outcome := 'token_outstanding'; RETURN NEXT; RETURN; END IF;
  END IF;
  IF p_signer IS NOT NULL THEN
    PERFORM 1 FROM signing_key k WHERE k.tenant_id = p_tenant AND k.id = p_signer AND k.withdrawn_at IS NULL FOR SHARE;
    IF NOT FOUND THEN outcome := 'changed'; RETURN NEXT; RETURN; END IF;
  END IF;
  IF t.status = 'live' AND NOT coalesce(vk.ground_stands(t), false) THEN
    outcome := 'revoked_meanwhile';
    RETURN NEXT; RETURN;
  END IF;
  IF p_once IS NOT NULL THEN
    UPDATE idempotency_key i SET token_id = t.id WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND i.claim = p_once ->> 'claim';
    IF NOT FOUND THEN outcome := 'idempotency_running'; RETURN NEXT; RETURN; END IF;
    PERFORM vk.idempotency_answer(p_tenant, p_once);
  END IF;
  INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, client_id, grant_id, strategy, status, nonce,
      purpose, scopes_asked, scopes_granted, fingerprint, secret_hash, proof_key, offline, generations, expires_at, endless, exclusive,
      created_at)
    VALUES (t.tenant_id, t.id, t.user_id, t.project_id, t.connection_id, t.provider_id, t.client_id, t.grant_id, t.strategy, t.status,
      t.nonce, t.purpose, t.scopes_asked, t.scopes_granted, t.fingerprint, t.secret_hash, t.proof_key, t.offline, t.generations,
      t.expires_at, t.endless, t.exclusive, t.created_at);
  INSERT INTO audit_event (tenant_id, id, at, body)
    SELECT p_tenant, e.id, p_now, e.body FROM jsonb_to_recordset(p_events) AS e(id text, body jsonb);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_begin(text, text, jsonb, text, jsonb, int, text, jsonb, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_begin(text, text, jsonb, text, jsonb, int, text, jsonb, jsonb, timestamptz) TO valetkey_app;

-- Makes an issuing row live, if everything that it was made under still stands and who asked for it may still do so, in one of
-- p_roles. What it stands on stays locked, so a revocation or freeze either is seen here or comes after the completed token (A-03).
-- NULL: it lives, and its event is written. Otherwise nothing is: unauthenticated | not_found | forbidden (vk.act_hold) |
-- revoked_meanwhile | idempotency_running. p_made: columns that what came back fills. p_once: {id, claim, answer, seconds} or NULL:
-- the answer is kept with it, so a kill leaves no token whose answer is lost. p_event: {id, body}.
CREATE OR REPLACE FUNCTION vk.issue_complete(p_tenant text, p_user text, p_by jsonb, p_roles text[], p_id text, p_made jsonb,
    p_once jsonb, p_event jsonb, p_now timestamptz)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  m public.issued_token%ROWTYPE := jsonb_populate_record(NULL::issued_token, p_made);
  v_refused text := vk.act_hold(p_tenant, p_user, p_by, p_roles);
BEGIN
  IF v_refused IS NOT NULL THEN RETURN v_refused; END IF;
  IF NOT vk.token_stands(p_tenant, p_id) THEN RETURN 'revoked_meanwhile'; END IF;
  IF p_once IS NOT NULL THEN
    PERFORM 1 FROM idempotency_key i WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND i.claim = p_once ->> 'claim' FOR UPDATE;
    IF NOT FOUND THEN RETURN 'idempotency_running'; END IF;
  END IF;
  -- Its own generation once more: a revocation of the token alone waits for nothing but its row.
  UPDATE issued_token k SET status = 'live', endless = false, upstream_id = m.upstream_id, handle = m.handle,
      fingerprint = m.fingerprint, scopes_granted = m.scopes_granted, expires_at = m.expires_at, revoke_at = m.revoke_at
    WHERE k.tenant_id = p_tenant AND k.id = p_id AND k.status = 'issuing' AND k.generation = 0;
  IF NOT FOUND THEN RETURN 'revoked_meanwhile'; END IF;
  IF p_once IS NOT NULL THEN PERFORM vk.idempotency_answer(p_tenant, p_once); END IF;
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, p_event ->> 'id', p_now, p_event -> 'body');
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_complete(text, text, jsonb, text[], text, jsonb, jsonb, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_complete(text, text, jsonb, text[], text, jsonb, jsonb, jsonb, timestamptz) TO valetkey_app;

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
  v_all boolean;
  v_own boolean;
BEGIN
  SELECT m.role, m.status INTO role, status FROM member m WHERE m.tenant_id = v_tenant AND m.user_id = p_user;
  IF p_client IS NOT NULL THEN
    client := (SELECT jsonb_build_object('id', a.id, 'name', a.name) FROM api_client a WHERE a.id = p_client);
    ceilings := (SELECT o.ceilings FROM oauth_grant o WHERE o.tenant_id = v_tenant AND o.id = p_grant AND o.user_id = p_user
      AND o.client_id = p_client);
  END IF;
  v_all := role = ANY (p_overseers);
  SELECT p.id, p.provider_id, p.settings IS NOT NULL, jsonb_build_object('id', p.id, 'providerId', p.provider_id,
      'externalId', p.external_id, 'name', p.name, 'alias', p.alias, 'settings', p.settings)
    INTO v_project, v_provider, v_own, project FROM (
      SELECT n.* FROM vk.project_named(v_tenant, p_user, v_all, p_project) n
      UNION ALL SELECT a.* FROM project a JOIN provider r ON r.tenant_id = a.tenant_id AND r.id = a.provider_id AND r.kind = 'own'
        WHERE a.tenant_id = v_tenant AND a.external_id = p_audience AND a.removed_at IS NULL) p;
  IF v_project IS NULL THEN RETURN NEXT; RETURN; END IF;
  SELECT jsonb_build_object('id', r.id, 'kind', r.kind, 'name', r.name, 'issuer', r.issuer, 'callbackKey', r.callback_key,
      'clientId', r.client_id, 'clientSecret', r.client_secret, 'clientSecretBefore', r.client_secret_before, 'settings', r.settings)
    INTO provider FROM provider r WHERE r.tenant_id = v_tenant AND r.id = v_provider;
  IF v_own THEN
    keys := (SELECT jsonb_agg(jsonb_build_object('id', k.id, 'sealedPrivate', k.sealed_private, 'signsFrom', k.signs_from,
      'withdrawnAt', k.withdrawn_at)) FROM signing_key k WHERE k.tenant_id = v_tenant);
  ELSE
    SELECT c.id, jsonb_build_object('id', c.id, 'accountId', c.account_id, 'status', c.status, 'scopesGranted', c.scopes_granted,
        'failures', c.failures, 'linkedAt', c.linked_at, 'lastRefreshAt', c.last_refresh_at)
      INTO v_connection, connection FROM connection_project l JOIN connection c ON c.tenant_id = l.tenant_id AND c.id = l.connection_id
      WHERE l.tenant_id = v_tenant AND l.project_id = v_project AND l.user_id = p_user AND c.user_id = p_user;
  END IF;
  generations := vk.generations(v_tenant, p_user, v_project, v_provider, v_connection, p_client, p_grant);
  policies := (SELECT coalesce(jsonb_agg(jsonb_build_object('level', o.level, 'targetId', o.target_id,
      'maxLifetimeSeconds', o.max_lifetime_seconds, 'overLife', o.over_life, 'maxTokens', o.max_tokens, 'strategies', o.strategies,
      'linkRoles', o.link_roles, 'issueRoles', o.issue_roles, 'rights', o.rights, 'impersonation', o.impersonation)), '[]')
    FROM vk.policies_at(v_tenant, v_provider, v_project, p_user) o);
  frozen := EXISTS (SELECT FROM vk.frozen_by(v_tenant, p_user, v_provider, v_connection, ARRAY[v_project]));
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) TO valetkey_app;

-- What the levels say of a person at a project, the widest first. p_project NULL: it is not known yet. The tenant is set. Plain
-- SQL, which is written into whatever asks.
CREATE OR REPLACE FUNCTION vk.policies_at(p_tenant text, p_provider text, p_project text, p_user text)
  RETURNS SETOF public.policy LANGUAGE sql STABLE ROWS 4 AS $$
  SELECT p.* FROM policy p WHERE p.tenant_id = p_tenant AND (p.level = 'tenant' AND p.target_id = p_tenant
      OR p.level = 'provider' AND p.target_id = p_provider OR p.level = 'project' AND p.target_id = p_project
      OR p.level = 'person' AND p.target_id = p_user)
  ORDER BY array_position(ARRAY['tenant', 'provider', 'project', 'person'], p.level)
$$;
REVOKE EXECUTE ON FUNCTION vk.policies_at(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.policies_at(text, text, text, text) TO valetkey_app;

-- Whether somebody froze a program, or what a person gave it. NULL: there is none.
CREATE OR REPLACE FUNCTION vk.program_frozen(p_tenant text, p_client text, p_grant text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  RETURN EXISTS (SELECT FROM vk.freezes_on(p_tenant, NULL, NULL, NULL, '{}', p_client, p_grant, v_now));
END $$;
REVOKE EXECUTE ON FUNCTION vk.program_frozen(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.program_frozen(text, text, text) TO valetkey_app;

-- A project that somebody sees, by id or by any alias it ever had. p_all: they see those that only others linked. Two projects may
-- have one alias where nobody who named them saw both: then it means the viewer's own, and of those the one that it meant for them
-- first, so that no script begins to reach another project. The tenant is set. Plain SQL, which is written into whatever asks.
CREATE OR REPLACE FUNCTION vk.project_named(p_tenant text, p_user text, p_all boolean, p_name text)
  RETURNS SETOF public.project LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT p.* FROM (
      SELECT p_name AS id, NULL::timestamptz AS since
      UNION ALL SELECT a.project_id, a.created_at FROM project_alias a WHERE a.tenant_id = p_tenant AND a.alias = p_name) named
    JOIN project p ON p.tenant_id = p_tenant AND p.id = named.id
    LEFT JOIN connection_project own ON own.tenant_id = p_tenant AND own.project_id = p.id AND own.user_id = p_user
  WHERE (own.user_id IS NOT NULL OR p.settings IS NOT NULL OR p_all) AND p.removed_at IS NULL
  ORDER BY own.user_id IS NULL, greatest(named.since, own.created_at), p.id LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION vk.project_named(text, text, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.project_named(text, text, boolean, text) TO valetkey_app;

-- Whether a token stands with everything that it was made under: vk.ground_stands, and nobody revoked the token itself. Its end is
-- not asked. The token is looked at once what it stands on is locked (connection before token, as a revocation does).
CREATE OR REPLACE FUNCTION vk.token_stands(p_tenant text, p_id text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE t public.issued_token%ROWTYPE;
BEGIN
  SELECT * INTO t FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id;
  RETURN coalesce(vk.ground_stands(t), false) AND EXISTS (SELECT FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id
    AND k.status IN ('issuing', 'live') AND k.generation = 0);
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_stands(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_stands(text, text) TO valetkey_app;

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

-- Only vk.grant_make called it, which writes its event itself.
DROP FUNCTION vk.grant_event(public.oauth_grant, text, jsonb, text, text, text);
