-- Functions that every request of a program calls ask in fewer statements (docs/decisions/0066). Same arguments, same answers.

-- Who calls with an access token, and whether it and all that it was made under stand now: everything that a request needs
-- to know, in one statement. state: unknown | ended | revoked | frozen | live. `touch`: its grant's last use is worth noting.
CREATE OR REPLACE FUNCTION vk.access_enter(p_hash bytea)
  RETURNS TABLE (state text, tenant_id text, slug text, tenant_name text, role text, grant_id text, client_id text, user_id text,
    issuer text, subject text, name text, email text, scopes text[], resource text, proof_key text, auth_time timestamptz,
    created_at timestamptz, expires_at timestamptz, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_tenant text;
  v_grant text;
  v_now timestamptz;
BEGIN
  SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_access(p_hash) l;
  IF v_tenant IS NULL THEN state := 'unknown'; RETURN NEXT; RETURN; END IF;
  tenant_id := set_config('app.tenant_id', v_tenant, true);
  grant_id := v_grant;
  v_now := vk_now();
  SELECT CASE
      WHEN a.generations IS DISTINCT FROM s.generations THEN 'revoked'
      WHEN a.expires_at <= v_now THEN 'ended'
      ELSE s.state END,
    s.slug, s.tenant_name, s.role, s.client_id, s.user_id, u.issuer, u.subject, u.name, u.email, a.scopes, a.resource,
    s.proof_key, s.auth_time, a.created_at, a.expires_at, s.last_used_at IS NULL OR s.last_used_at < v_now - interval '1 minute'
  INTO state, slug, tenant_name, role, client_id, user_id, issuer, subject, name, email, scopes, resource, proof_key, auth_time,
    created_at, expires_at, touch
  FROM access_token a JOIN vk.grant_standing(v_tenant, v_grant, v_now) s ON true JOIN "user" u ON u.id = s.user_id
  WHERE a.hash = p_hash;
  -- Deleted since it was looked up.
  IF NOT FOUND THEN state := 'revoked'; END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.access_enter(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.access_enter(bytea) TO valetkey_app;

-- Whether a client has authenticated: vk.client_admitted in one word. The tenant is set.
CREATE OR REPLACE FUNCTION vk.client_admits(c public.api_client, p_secret bytea, p_asserted int) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM vk.client_admitted(c.id, p_secret, p_asserted));
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) TO valetkey_app;

-- A client that has authenticated: a public one with nothing, one with a secret by the hash of a living one, one that signs by
-- what it was found to be when its assertion was verified (its generation). No row: it has not. The tenant is set.
-- Plain SQL that the planner writes into whatever asks (docs/decisions/0066): STABLE, and arguments that are no calls.
CREATE OR REPLACE FUNCTION vk.client_admitted(p_client text, p_secret bytea, p_asserted int)
  RETURNS SETOF public.api_client LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT * FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL AND CASE c.authentication
      WHEN 'none' THEN p_secret IS NULL AND p_asserted IS NULL
      WHEN 'secret' THEN p_asserted IS NULL AND EXISTS (SELECT FROM client_secret s WHERE s.client_id = c.id
        AND s.secret_hash = p_secret AND (s.expires_at IS NULL OR s.expires_at > vk_now()))
      WHEN 'private_key_jwt' THEN p_secret IS NULL AND p_asserted IS NOT DISTINCT FROM c.generation
      ELSE false END
$$;
REVOKE EXECUTE ON FUNCTION vk.client_admitted(text, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admitted(text, bytea, int) TO valetkey_app;

-- Redeems an authorization code (RFC 6749 4.1.3, RFC 7636 4.6): each thing that it is bound to is asked by itself, and only
-- then is it consumed (T-07). outcome: invalid_client | unauthorized_client | invalid_grant | invalid_dpop_proof | reuse
-- (its grant is to end, RFC 6749 4.1.2) | ok.
CREATE OR REPLACE FUNCTION vk.code_redeem(p_client text, p_secret bytea, p_asserted int, p_code bytea, p_redirect text,
    p_challenge text, p_proof text, p_grant text, p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[],
    p_address text, p_agent text, p_event text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c public.api_client%ROWTYPE;
  r public.authorization_request%ROWTYPE;
  v_tenant text;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.* INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'authorization_code' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT * INTO r FROM authorization_request a WHERE a.secret_hash = p_code AND a.kind = 'code' AND a.client_id = p_client
    FOR UPDATE;
  tenant_id := r.tenant_chosen; user_id := r.claimed_by; grant_id := r.grant_id;
  outcome := CASE
    WHEN r.id IS NULL THEN 'invalid_grant'
    WHEN r.status = 'consumed' THEN 'reuse'
    WHEN r.status <> 'approved' OR r.expires_at <= vk_now() THEN 'invalid_grant'
    WHEN r.redirect_uri IS DISTINCT FROM p_redirect THEN 'invalid_grant'
    WHEN r.code_challenge IS DISTINCT FROM p_challenge THEN 'invalid_grant'
    WHEN r.proof_key IS NOT NULL AND r.proof_key IS DISTINCT FROM p_proof THEN 'invalid_dpop_proof'
    WHEN c.needs_proof AND p_proof IS NULL THEN 'invalid_dpop_proof' END;
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  outcome := vk.grant_make(r, c, p_proof, p_grant, p_access, p_family, p_refresh, p_lives, p_address, p_agent, p_event);
  IF outcome <> 'ok' THEN outcome := 'invalid_grant'; RETURN NEXT; RETURN; END IF;
  grant_id := p_grant; scopes := r.scopes_granted; resource := r.resource;
  renews := 'refresh_token' = ANY (c.grant_types); expires_in := extract(epoch FROM p_lives[1]);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.code_redeem(text, bytea, int, bytea, text, text, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.code_redeem(text, bytea, int, bytea, text, text, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;

-- One poll of a device (RFC 8628 3.4 and 3.5), and the making of its tokens where it is the one that wins. Codes match with
-- the client that asked for them, and with nothing else (D-06). outcome: invalid_client | unauthorized_client | invalid_grant |
-- authorization_pending | slow_down | access_denied | expired_token | invalid_dpop_proof | ok.
-- `pause`: seconds until the next poll. A poll that is too early makes the pause longer, once for each timely one; others
-- after it write nothing. p_lives: of the access token, of the refresh token between two uses, of the grant.
CREATE OR REPLACE FUNCTION vk.device_poll(p_client text, p_secret bytea, p_asserted int, p_code bytea, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  -- Of client and request what a poll asks that finds no answer; the whole of them where there is one.
  c record;
  p record;
  v_client public.api_client%ROWTYPE;
  r public.authorization_request%ROWTYPE;
  v_tenant text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.id, k.grant_types, k.needs_proof INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'device_code' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT a.id, a.status, a.interval, a.expires_at, a.polled_at, a.slowed INTO p
    FROM authorization_request a WHERE a.secret_hash = p_code AND a.kind = 'device' AND a.client_id = p_client;
  v_now := vk_now();
  pause := p.interval;
  outcome := CASE
    WHEN p.id IS NULL OR p.status = 'consumed' THEN 'invalid_grant'
    WHEN p.status = 'denied' THEN 'access_denied'
    WHEN p.expires_at <= v_now THEN 'expired_token'
    WHEN c.needs_proof AND p_proof IS NULL THEN 'invalid_dpop_proof' END;
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  IF p.status = 'pending' THEN
    outcome := 'slow_down';
    -- As it was read: most polls that come too early need no second look. Half a second is what networks shift.
    IF p.polled_at IS NULL OR p.polled_at + make_interval(secs => p.interval - 0.5) <= v_now THEN
      UPDATE authorization_request a SET polled_at = v_now, slowed = false WHERE a.id = p.id AND a.status = 'pending'
        AND (a.polled_at IS NULL OR a.polled_at + make_interval(secs => a.interval - 0.5) <= v_now);
      IF FOUND THEN outcome := 'authorization_pending'; END IF;
    END IF;
    IF outcome = 'slow_down' AND NOT p.slowed AND p.interval < 60 THEN
      UPDATE authorization_request a SET interval = a.interval + 5, slowed = true WHERE a.id = p.id AND NOT a.slowed
        RETURNING a.interval INTO pause;
      pause := coalesce(pause, p.interval + 5);
    END IF;
    RETURN NEXT; RETURN;
  END IF;
  SELECT * INTO v_client FROM api_client k WHERE k.id = c.id;
  SELECT * INTO r FROM authorization_request a WHERE a.id = p.id;
  outcome := vk.grant_make(r, v_client, p_proof, p_grant, p_access, p_family, p_refresh, p_lives, p_address, p_agent, p_event);
  outcome := CASE outcome WHEN 'lost' THEN 'invalid_grant' WHEN 'withdrawn' THEN 'access_denied' ELSE outcome END;
  tenant_id := r.tenant_chosen; user_id := r.claimed_by; grant_id := p_grant; scopes := r.scopes_granted; resource := r.resource;
  renews := 'refresh_token' = ANY (c.grant_types); expires_in := extract(epoch FROM p_lives[1]);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;

-- What a program may do that came with a token of a grant, under lock: whoever ends the grant, removes its client or freezes
-- either comes before, and NULL is answered, or waits until the act has committed. The member is locked already.
CREATE OR REPLACE FUNCTION vk.grant_hold(p_tenant text, p_grant text, p_client text) RETURNS text[]
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  PERFORM 1 FROM api_client c WHERE c.id = p_client FOR SHARE;
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = p_grant FOR SHARE;
  v_now := vk_now();
  -- Read after the locks, as in vk.act_begin.
  RETURN (SELECT s.scopes FROM vk.grant_standing(p_tenant, p_grant, v_now) s WHERE s.client_id = p_client AND s.state = 'live');
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_hold(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_hold(text, text, text) TO valetkey_app;

-- One use of a refresh token (RFC 6749 6, RFC 9700 4.14.2). The grant's row is locked, so that of any number at once one
-- rotates and the others find what it left. outcome: invalid_client | unauthorized_client | invalid_grant | invalid_scope |
-- invalid_target | invalid_dpop_proof | reuse (its grant is to end, T-06) | repeated (the token before the current one, a
-- moment later: the same answer again, made of `salt` and what the client holds) | ok.
-- p_family: hash of what all tokens of the family share; p_presented: of the token; p_next: of the one that p_salt makes of it.
-- p_scopes NULL: all that was granted. p_window: how long the same answer is given.
CREATE OR REPLACE FUNCTION vk.grant_refresh(p_client text, p_secret bytea, p_asserted int, p_family bytea, p_presented bytea,
    p_next bytea, p_salt bytea, p_access bytea, p_scopes text[], p_resource text, p_proof text, p_lives interval[],
    p_window interval, p_address text)
  RETURNS TABLE (outcome text, pause int, tenant_id text, user_id text, grant_id text, scopes text[], resource text,
    renews boolean, salt bytea, expires_in int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c record;
  g record;
  v_tenant text;
  v_state text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.grant_types INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'refresh_token' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT f.tenant_id, f.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_family(p_family) f;
  v_tenant := set_config('app.tenant_id', coalesce(tenant_id, ''), true);
  SELECT o.id, o.tenant_id, o.user_id, o.scopes, o.resource, o.proof_key, o.generations, o.refresh_hash, o.refresh_before,
      o.refresh_salt, o.refresh_scopes, o.refreshed_at, o.refresh_expires_at
    INTO g FROM oauth_grant o WHERE o.tenant_id = v_tenant AND o.id = grant_refresh.grant_id AND o.client_id = p_client FOR UPDATE;
  v_now := vk_now();
  SELECT s.state INTO v_state FROM vk.grant_standing(v_tenant, g.id, v_now) s;
  user_id := g.user_id; resource := g.resource; renews := true;
  outcome := CASE
    WHEN g.id IS NULL OR v_state IS DISTINCT FROM 'live' OR g.refresh_expires_at <= v_now THEN 'invalid_grant'
    WHEN g.proof_key IS DISTINCT FROM p_proof THEN 'invalid_dpop_proof'
    WHEN p_presented = g.refresh_before AND g.refreshed_at + p_window > v_now THEN 'repeated'
    WHEN p_presented IS DISTINCT FROM g.refresh_hash THEN 'reuse'
    WHEN NOT g.scopes @> coalesce(p_scopes, '{}') THEN 'invalid_scope'
    WHEN p_resource IS NOT NULL AND p_resource IS DISTINCT FROM g.resource THEN 'invalid_target'
    ELSE 'ok' END;
  IF outcome = 'repeated' THEN
    salt := g.refresh_salt; scopes := g.refresh_scopes;
    expires_in := extract(epoch FROM g.refreshed_at + p_lives[1] - v_now);
  ELSIF outcome = 'ok' THEN
    salt := p_salt; scopes := coalesce(p_scopes, g.scopes); expires_in := extract(epoch FROM p_lives[1]);
    UPDATE oauth_grant o SET refresh_hash = p_next, refresh_before = p_presented, refresh_salt = p_salt, refreshed_at = v_now,
        refresh_scopes = grant_refresh.scopes, refresh_expires_at = v_now + p_lives[2], last_used_at = v_now, last_address = p_address
      WHERE o.tenant_id = g.tenant_id AND o.id = g.id;
    INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
      VALUES (p_access, g.tenant_id, g.id, grant_refresh.scopes, g.resource, g.generations, v_now, v_now + p_lives[1]);
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_refresh(text, bytea, int, bytea, bytea, bytea, bytea, bytea, text[], text, text, interval[], interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_refresh(text, bytea, int, bytea, bytea, bytea, bytea, bytea, text[], text, text, interval[], interval, text) TO valetkey_app;

-- A grant and how it stands: live | ended | revoked | frozen. Everything that it was made under is asked, each time: nobody
-- keeps the answer. Nothing is locked: what is made from it meanwhile carries these generations and is asked again. Their order
-- is that of vk.grant_generations. p_now: the moment that counts, taken after whatever was waited for. The tenant is set.
-- Plain SQL that the planner writes into whatever asks (docs/decisions/0066): STABLE, and arguments that are no calls.
CREATE OR REPLACE FUNCTION vk.grant_standing(p_tenant text, p_grant text, p_now timestamptz)
  RETURNS TABLE (state text, user_id text, client_id text, scopes text[], resource text, proof_key text, generations int[],
    auth_time timestamptz, last_used_at timestamptz, created_at timestamptz, expires_at timestamptz, refresh_hash bytea,
    refresh_expires_at timestamptz, slug text, tenant_name text, role text)
  LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT CASE
      WHEN g.ended_at IS NOT NULL OR g.generations IS DISTINCT FROM
        ARRAY[g.generation, c.generation, m.generation, n.generation, i.generation] THEN 'revoked'
      WHEN g.expires_at <= p_now THEN 'ended'
      WHEN EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = g.tenant_id AND (f.until IS NULL OR f.until > p_now)
        AND (f.kind, f.target_id) IN (('member', g.user_id), ('client', g.client_id), ('grant', g.id))) THEN 'frozen'
      ELSE 'live' END,
    g.user_id, g.client_id, g.scopes, g.resource, g.proof_key, g.generations, g.auth_time, g.last_used_at, g.created_at,
    g.expires_at, g.refresh_hash, g.refresh_expires_at, n.slug, n.name, m.role
  FROM oauth_grant g
    LEFT JOIN api_client c ON c.id = g.client_id AND c.ended_at IS NULL
    LEFT JOIN member m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id AND m.status = 'active'
    LEFT JOIN tenant n ON n.id = g.tenant_id
    LEFT JOIN instance i ON i.id = 1
  WHERE g.tenant_id = p_tenant AND g.id = p_grant
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_standing(text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_standing(text, text, timestamptz) TO valetkey_app;

-- How a grant stands now: vk.grant_standing in one word. The tenant is set.
CREATE OR REPLACE FUNCTION vk.grant_state(g public.oauth_grant) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  RETURN (SELECT s.state FROM vk.grant_standing(g.tenant_id, g.id, v_now) s);
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) TO valetkey_app;

-- What a client may know of a token (RFC 7662): its own tokens, and those for audiences whose resource server it is; anything
-- else is no token (I-02, I-03). One of three hashes is given: of an access token, of a refresh token (with its family), of a
-- token for one of the tenant's own audiences. outcome: invalid_client | unauthorized_client | inactive | active.
CREATE OR REPLACE FUNCTION vk.introspect(p_client text, p_secret bytea, p_asserted int, p_access bytea, p_family bytea,
    p_refresh bytea, p_issued bytea)
  RETURNS TABLE (outcome text, kind text, client_id text, user_id text, scopes text[], audience text, proof_key text,
    grant_id text, token_id text, tenant_slug text, issued_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c record;
  s record;
  v_tenant text;
  v_grant text;
  v_now timestamptz;
BEGIN
  v_tenant := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  SELECT k.id, k.tenant_id, k.authentication, k.audiences INTO c FROM vk.client_admitted(p_client, p_secret, p_asserted) k;
  IF NOT FOUND THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  -- RFC 7662 2.1: not for whoever merely knows an identifier (I-01).
  IF c.authentication = 'none' THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  outcome := 'inactive';
  IF p_access IS NOT NULL OR p_family IS NOT NULL THEN
    IF p_access IS NOT NULL THEN
      SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_access(p_access) l;
    ELSE
      SELECT l.tenant_id, l.grant_id INTO v_tenant, v_grant FROM lookup.grant_of_family(p_family) l;
    END IF;
    v_tenant := set_config('app.tenant_id', coalesce(v_tenant, ''), true);
    v_now := vk_now();
    IF p_access IS NOT NULL THEN
      SELECT 'active', 'access', s.client_id, s.user_id, a.scopes, s.resource, s.proof_key, v_grant, a.created_at, a.expires_at
        INTO outcome, kind, client_id, user_id, scopes, audience, proof_key, grant_id, issued_at, expires_at
        FROM access_token a JOIN vk.grant_standing(v_tenant, v_grant, v_now) s ON a.generations = s.generations
        WHERE a.hash = p_access AND a.expires_at > v_now AND s.client_id = p_client AND s.state = 'live';
    ELSE
      SELECT 'active', 'refresh', s.client_id, s.user_id, s.scopes, s.resource, s.proof_key, v_grant, s.created_at,
          least(s.refresh_expires_at, s.expires_at)
        INTO outcome, kind, client_id, user_id, scopes, audience, proof_key, grant_id, issued_at, expires_at
        FROM vk.grant_standing(v_tenant, v_grant, v_now) s
        WHERE s.refresh_hash = p_refresh AND s.refresh_expires_at > v_now AND s.client_id = p_client AND s.state = 'live';
    END IF;
    IF NOT FOUND THEN outcome := 'inactive'; END IF;
  ELSIF p_issued IS NOT NULL THEN
    SELECT * INTO s FROM vk.signed_token(p_issued);
    IF s.state = 'live' AND s.tenant_id = c.tenant_id AND (s.project_id = ANY (c.audiences) OR s.client_id = c.id) THEN
      outcome := 'active'; kind := 'sign'; client_id := s.client_id; user_id := s.user_id; token_id := s.token_id;
      audience := s.audience; tenant_slug := s.slug; issued_at := s.issued_at; expires_at := s.expires_at;
      scopes := ARRAY(SELECT jsonb_array_elements_text(s.rights -> 'scopes'));
    END IF;
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.introspect(text, bytea, int, bytea, bytea, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.introspect(text, bytea, int, bytea, bytea, bytea, bytea) TO valetkey_app;

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
