-- AlterTable
ALTER TABLE "api_client" ADD COLUMN     "audiences" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "authentication" TEXT NOT NULL DEFAULT 'none',
ADD COLUMN     "created_by" TEXT,
ADD COLUMN     "ended_at" TIMESTAMPTZ,
ADD COLUMN     "grant_types" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "keys" JSONB,
ADD COLUMN     "last_used_at" TIMESTAMPTZ,
ADD COLUMN     "name" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "needs_proof" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "needs_push" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "redirect_uris" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- AlterTable
ALTER TABLE "oauth_grant" ADD COLUMN     "address" TEXT,
ADD COLUMN     "agent" TEXT,
ADD COLUMN     "auth_time" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "ceilings" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "end_cause" TEXT,
ADD COLUMN     "ended_at" TIMESTAMPTZ,
ADD COLUMN     "ended_by" TEXT,
ADD COLUMN     "expires_at" TIMESTAMPTZ,
ADD COLUMN     "family_hash" BYTEA,
ADD COLUMN     "generations" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "last_address" TEXT,
ADD COLUMN     "last_used_at" TIMESTAMPTZ,
ADD COLUMN     "proof_key" TEXT,
ADD COLUMN     "refresh_before" BYTEA,
ADD COLUMN     "refresh_expires_at" TIMESTAMPTZ,
ADD COLUMN     "refresh_hash" BYTEA,
ADD COLUMN     "refresh_salt" BYTEA,
ADD COLUMN     "refresh_scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "refreshed_at" TIMESTAMPTZ,
ADD COLUMN     "resource" TEXT,
ADD COLUMN     "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "via" TEXT NOT NULL DEFAULT 'device';

-- AlterTable
ALTER TABLE "policy" ADD COLUMN     "device_flow" TEXT;

-- CreateTable
CREATE TABLE "client_secret" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "secret_hash" BYTEA NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ,
    "last_used_at" TIMESTAMPTZ,

    CONSTRAINT "client_secret_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "authorization_request" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "user_code_hash" BYTEA,
    "secret_hash" BYTEA,
    "scopes" TEXT[],
    "resource" TEXT,
    "proof_key" TEXT,
    "redirect_uri" TEXT,
    "state" TEXT,
    "code_challenge" TEXT,
    "prompt" TEXT,
    "max_age" INTEGER,
    "interval" INTEGER NOT NULL DEFAULT 5,
    "polled_at" TIMESTAMPTZ,
    "slowed" BOOLEAN NOT NULL DEFAULT false,
    "address" TEXT,
    "agent" TEXT,
    "claimed_by" TEXT,
    "tenant_chosen" TEXT,
    "scopes_granted" TEXT[],
    "ceilings" JSONB,
    "auth_time" TIMESTAMPTZ,
    "generations" INTEGER[],
    "decided_at" TIMESTAMPTZ,
    "grant_id" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "authorization_request_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "access_token" (
    "hash" BYTEA NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "grant_id" TEXT NOT NULL,
    "scopes" TEXT[],
    "resource" TEXT,
    "generations" INTEGER[],
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "access_token_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "seen_once" (
    "hash" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "seen_once_pkey" PRIMARY KEY ("hash")
);

-- CreateIndex
CREATE INDEX "client_secret_client_id_idx" ON "client_secret"("client_id");

-- CreateIndex
CREATE UNIQUE INDEX "authorization_request_user_code_hash_key" ON "authorization_request"("user_code_hash");

-- CreateIndex
CREATE UNIQUE INDEX "authorization_request_secret_hash_key" ON "authorization_request"("secret_hash");

-- CreateIndex
CREATE INDEX "authorization_request_expires_at_idx" ON "authorization_request"("expires_at");

-- CreateIndex
CREATE INDEX "authorization_request_claimed_by_idx" ON "authorization_request"("claimed_by");

-- CreateIndex
CREATE INDEX "access_token_expires_at_idx" ON "access_token"("expires_at");

-- CreateIndex
CREATE INDEX "seen_once_expires_at_idx" ON "seen_once"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "oauth_grant_family_hash_key" ON "oauth_grant"("family_hash");

-- AddForeignKey
ALTER TABLE "client_secret" ADD CONSTRAINT "client_secret_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "api_client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.
-- Processes of the version before go on beside this schema: they make no client and no grant, and fill no new column.

ALTER TABLE api_client
  ADD CONSTRAINT api_client_authentication CHECK (authentication IN ('none', 'secret', 'private_key_jwt')),
  ADD CONSTRAINT api_client_keys CHECK ((authentication = 'private_key_jwt') = (keys IS NOT NULL));
ALTER TABLE oauth_grant
  ADD CONSTRAINT oauth_grant_via CHECK (via IN ('device', 'code')),
  ADD CONSTRAINT oauth_grant_ended CHECK ((ended_at IS NULL) = (generation = 0) AND (ended_at IS NULL) = (end_cause IS NULL)),
  ADD CONSTRAINT oauth_grant_cause CHECK (end_cause IN ('revoked', 'reuse', 'signed_out'));
ALTER TABLE authorization_request
  ADD CONSTRAINT authorization_request_kind CHECK (kind IN ('device', 'code')),
  ADD CONSTRAINT authorization_request_status CHECK (status IN ('pushed', 'pending', 'approved', 'denied', 'consumed')),
  ADD CONSTRAINT authorization_request_answer CHECK (status <> 'approved' OR (claimed_by IS NOT NULL AND tenant_chosen IS NOT NULL));
ALTER TABLE policy ADD CONSTRAINT policy_device_flow
  CHECK (device_flow IS NULL OR level = 'tenant' AND device_flow IN ('typed', 'one_click', 'off'));

GRANT SELECT, INSERT, UPDATE, DELETE ON authorization_request, seen_once TO valetkey_app;
GRANT UPDATE (name, authentication, redirect_uris, grant_types, scopes, keys, audiences, needs_proof, needs_push, ended_at, last_used_at)
  ON api_client TO valetkey_app;
GRANT UPDATE (last_used_at, last_address, refresh_hash, refresh_before, refresh_salt, refresh_scopes, refreshed_at,
  refresh_expires_at, ended_at, ended_by, end_cause) ON oauth_grant TO valetkey_app;

ALTER TABLE client_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_secret FORCE ROW LEVEL SECURITY;
-- Foreign keys look past the policies; this one does not: a secret is for a client of its own tenant.
CREATE POLICY tenant ON client_secret USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), ''))
    AND EXISTS (SELECT FROM api_client c WHERE c.id = client_id AND c.tenant_id = client_secret.tenant_id));
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at, last_used_at) ON client_secret TO valetkey_app;

ALTER TABLE access_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON access_token USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
-- What is swept is locked first, which takes the right to change something.
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at) ON access_token TO valetkey_app;

-- What precedes the tenant: these columns, and the functions below.
CREATE POLICY lookup ON api_client FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (id, tenant_id) ON api_client TO vk_lookup;
CREATE POLICY lookup ON oauth_grant FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, family_hash) ON oauth_grant TO vk_lookup;
CREATE POLICY lookup ON access_token FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (hash, tenant_id, grant_id) ON access_token TO vk_lookup;

-- Our own command line: of the instance, public, answered at any port of the loopback (RFC 8252 7.3).
ALTER TABLE api_client NO FORCE ROW LEVEL SECURITY;
INSERT INTO api_client (id, name, redirect_uris, grant_types, scopes, created_at) VALUES ('valetkey', 'Valetkey command line',
  ARRAY['http://127.0.0.1/callback', 'http://[::1]/callback'], ARRAY['authorization_code', 'device_code', 'refresh_token'],
  ARRAY['projects:read', 'connections:manage', 'tokens:issue', 'tokens:revoke', 'tenant:read', 'tenant:manage', 'audit:read'],
  vk_now());
ALTER TABLE api_client FORCE ROW LEVEL SECURITY;


-- Whose a client is; NULL for one of the instance and for none alike.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_tenant(p_client text) RETURNS text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT c.tenant_id FROM public.api_client c WHERE c.id = p_client;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_tenant(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_tenant(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Whose access token it is that somebody brings: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.grant_of_access(p_hash bytea) RETURNS TABLE (tenant_id text, grant_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT a.tenant_id, a.grant_id FROM public.access_token a WHERE a.hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.grant_of_access(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.grant_of_access(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Whose refresh family it is: the hash of the part that all its tokens share.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.grant_of_family(p_hash bytea) RETURNS TABLE (tenant_id text, grant_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT g.tenant_id, g.id FROM public.oauth_grant g WHERE g.family_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.grant_of_family(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.grant_of_family(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Who calls with an access token, and whether it and all that it was made under stand now: everything that a request needs
-- to know, in one statement. state: unknown | ended | revoked | frozen | live. `touch`: its grant's last use is worth noting.
CREATE OR REPLACE FUNCTION vk.access_enter(p_hash bytea)
  RETURNS TABLE (state text, tenant_id text, slug text, tenant_name text, role text, grant_id text, client_id text, user_id text,
    issuer text, subject text, name text, email text, scopes text[], resource text, proof_key text, auth_time timestamptz,
    created_at timestamptz, expires_at timestamptz, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  a public.access_token%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
BEGIN
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_access(p_hash) l;
  IF tenant_id IS NULL THEN state := 'unknown'; RETURN NEXT; RETURN; END IF;
  PERFORM set_config('app.tenant_id', tenant_id, true);
  SELECT * INTO a FROM access_token k WHERE k.hash = p_hash;
  SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = access_enter.tenant_id AND o.id = access_enter.grant_id;
  state := CASE
    WHEN a.hash IS NULL OR a.generations IS DISTINCT FROM g.generations THEN 'revoked'
    WHEN a.expires_at <= vk_now() THEN 'ended'
    ELSE vk.grant_state(g) END;
  IF state <> 'live' THEN RETURN NEXT; RETURN; END IF;
  SELECT n.slug, n.name, m.role, u.issuer, u.subject, u.name, u.email
    INTO slug, tenant_name, role, issuer, subject, name, email
    FROM tenant n JOIN member m ON m.tenant_id = n.id AND m.user_id = g.user_id JOIN "user" u ON u.id = g.user_id
    WHERE n.id = g.tenant_id;
  client_id := g.client_id; user_id := g.user_id; scopes := a.scopes; resource := a.resource; proof_key := g.proof_key;
  auth_time := g.auth_time; created_at := a.created_at; expires_at := a.expires_at;
  touch := g.last_used_at IS NULL OR g.last_used_at < vk_now() - interval '1 minute';
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.access_enter(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.access_enter(bytea) TO valetkey_app;

-- Whether a client has authenticated: a public one with nothing, one with a secret by the hash of a living one, one that
-- signs by what it was found to be when its assertion was verified (its generation). The tenant is set.
CREATE OR REPLACE FUNCTION vk.client_admits(c public.api_client, p_secret bytea, p_asserted int) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN c.id IS NOT NULL AND c.ended_at IS NULL AND CASE c.authentication
    WHEN 'none' THEN p_secret IS NULL AND p_asserted IS NULL
    WHEN 'secret' THEN p_asserted IS NULL AND EXISTS (SELECT FROM client_secret s WHERE s.client_id = c.id
      AND s.secret_hash = p_secret AND (s.expires_at IS NULL OR s.expires_at > vk_now()))
    WHEN 'private_key_jwt' THEN p_secret IS NULL AND p_asserted = c.generation
    ELSE false END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) TO valetkey_app;

-- A client as its tenant, or the instance, knows it; nothing where there is none, or no longer. Sets the tenant.
CREATE OR REPLACE FUNCTION vk.client_enter(p_client text)
  RETURNS SETOF public.api_client LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  RETURN QUERY SELECT * FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_enter(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_enter(text) TO valetkey_app;

-- Notes that a client has proved itself, and by which secret: at most once a minute each. A client of the instance is
-- everybody's, and nobody notes it.
CREATE OR REPLACE FUNCTION vk.client_used(p_client text, p_secret bytea) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  UPDATE api_client c SET last_used_at = vk_now() WHERE c.id = p_client AND c.tenant_id IS NOT NULL AND c.ended_at IS NULL
    AND (c.last_used_at IS NULL OR c.last_used_at < vk_now() - interval '1 minute');
  UPDATE client_secret s SET last_used_at = vk_now() WHERE s.client_id = p_client AND s.secret_hash = p_secret
    AND (s.last_used_at IS NULL OR s.last_used_at < vk_now() - interval '1 minute');
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_used(text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_used(text, bytea) TO valetkey_app;

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
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
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
  c public.api_client%ROWTYPE;
  r public.authorization_request%ROWTYPE;
  v_now timestamptz;
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'device_code' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT * INTO r FROM authorization_request a WHERE a.secret_hash = p_code AND a.kind = 'device' AND a.client_id = p_client;
  v_now := vk_now();
  pause := r.interval;
  outcome := CASE
    WHEN r.id IS NULL OR r.status = 'consumed' THEN 'invalid_grant'
    WHEN r.status = 'denied' THEN 'access_denied'
    WHEN r.expires_at <= v_now THEN 'expired_token'
    WHEN c.needs_proof AND p_proof IS NULL THEN 'invalid_dpop_proof' END;
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  IF r.status = 'pending' THEN
    -- Half a second is what networks shift.
    UPDATE authorization_request a SET polled_at = v_now, slowed = false WHERE a.id = r.id AND a.status = 'pending'
      AND (a.polled_at IS NULL OR a.polled_at + make_interval(secs => a.interval - 0.5) <= v_now)
      -- As it was read: most polls that come too early need no second look.
      AND (r.polled_at IS NULL OR r.polled_at + make_interval(secs => r.interval - 0.5) <= v_now);
    outcome := CASE WHEN FOUND THEN 'authorization_pending' ELSE 'slow_down' END;
    IF outcome = 'slow_down' AND NOT r.slowed AND r.interval < 60 THEN
      UPDATE authorization_request a SET interval = a.interval + 5, slowed = true WHERE a.id = r.id AND NOT a.slowed
        RETURNING a.interval INTO pause;
      pause := coalesce(pause, r.interval + 5);
    END IF;
    RETURN NEXT; RETURN;
  END IF;
  outcome := vk.grant_make(r, c, p_proof, p_grant, p_access, p_family, p_refresh, p_lives, p_address, p_agent, p_event);
  outcome := CASE outcome WHEN 'lost' THEN 'invalid_grant' WHEN 'withdrawn' THEN 'access_denied' ELSE outcome END;
  tenant_id := r.tenant_chosen; user_id := r.claimed_by; grant_id := p_grant; scopes := r.scopes_granted; resource := r.resource;
  renews := 'refresh_token' = ANY (c.grant_types); expires_in := extract(epoch FROM p_lives[1]);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.device_poll(text, bytea, int, bytea, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;

-- The event of a grant, in the transaction of what it tells. Its body is what lib/audit/record.ts writes.
CREATE OR REPLACE FUNCTION vk.grant_event(g public.oauth_grant, p_action text, p_details jsonb, p_address text, p_agent text,
    p_request text)
  RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (g.tenant_id, vk.new_id('evt'), vk_now(), jsonb_build_object(
    'action', p_action, 'outcome', 'ok', 'actor', g.user_id, 'session', NULL, 'client', g.client_id, 'grant', g.id,
    'address', p_address, 'agent', p_agent, 'request', p_request,
    'target', jsonb_build_object('kind', 'grant', 'id', g.id), 'details', p_details))
$$;
REVOKE EXECUTE ON FUNCTION vk.grant_event(public.oauth_grant, text, jsonb, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_event(public.oauth_grant, text, jsonb, text, text, text) TO valetkey_app;

-- The generations that a grant stands on now, in the order of oauth_grant.generations and access_token.generations, which
-- nothing else knows: its own, client, member, tenant, instance. A grant's own is 0 until it ends. NULL where one is not there.
CREATE OR REPLACE FUNCTION vk.grant_generations(p_tenant text, p_user text, p_client text, p_grant text) RETURNS int[]
  LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_now int[] := ARRAY[
    CASE WHEN p_grant IS NULL THEN 0
      ELSE (SELECT g.generation FROM oauth_grant g WHERE g.tenant_id = p_tenant AND g.id = p_grant) END,
    (SELECT c.generation FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL),
    (SELECT m.generation FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active'),
    (SELECT n.generation FROM tenant n WHERE n.id = p_tenant),
    (SELECT i.generation FROM instance i WHERE i.id = 1)];
BEGIN
  RETURN CASE WHEN array_position(v_now, NULL) IS NULL THEN v_now END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_generations(text, text, text, text) TO valetkey_app;

-- What a program may do that came with a token of a grant, under lock: whoever ends the grant, removes its client or freezes
-- either comes before, and NULL is answered, or waits until the act has committed. The member is locked already.
CREATE OR REPLACE FUNCTION vk.grant_hold(p_tenant text, p_grant text, p_client text) RETURNS text[]
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE g public.oauth_grant%ROWTYPE;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  PERFORM 1 FROM api_client c WHERE c.id = p_client FOR SHARE;
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = p_grant FOR SHARE;
  -- Read after the locks, as in vk.act_begin.
  SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.client_id = p_client;
  RETURN CASE WHEN g.id IS NOT NULL AND vk.grant_state(g) = 'live' THEN g.scopes END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_hold(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_hold(text, text, text) TO valetkey_app;

-- Makes the grant that a person's answer stands for, with its first tokens, and consumes the request: once, and only while it
-- lives (D-05, O-09, O-20). Sets the tenant. p_grant names the new row; hashes are those of the tokens that the client will
-- hold; p_family NULL: no refresh tokens. Answers ok, or why not: lost (somebody else consumed it, or its time is over) |
-- withdrawn (what it was answered under has changed since).
CREATE OR REPLACE FUNCTION vk.grant_make(r public.authorization_request, c public.api_client, p_proof text, p_grant text,
    p_access bytea, p_family bytea, p_refresh bytea, p_lives interval[], p_address text, p_agent text, p_event text)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz := vk_now();
  v_renews boolean := p_family IS NOT NULL AND 'refresh_token' = ANY (c.grant_types);
  g public.oauth_grant%ROWTYPE;
BEGIN
  PERFORM set_config('app.tenant_id', r.tenant_chosen, true);
  IF r.generations IS DISTINCT FROM vk.grant_generations(r.tenant_chosen, r.claimed_by, c.id, NULL)
    OR EXISTS (SELECT FROM vk.frozen_by(r.tenant_chosen, r.claimed_by, '', '', '{}'))
    OR vk.program_frozen(r.tenant_chosen, c.id, NULL) THEN
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
      CASE WHEN v_renews THEN p_refresh END, CASE WHEN v_renews THEN v_now + p_lives[2] END, v_now, v_now + p_lives[3])
    RETURNING * INTO g;
  INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
    VALUES (p_access, g.tenant_id, g.id, g.scopes, g.resource, g.generations, v_now, v_now + p_lives[1]);
  PERFORM vk.grant_event(g, 'grant.created', jsonb_build_object('via', g.via, 'scopes', g.scopes,
    'projects', (SELECT coalesce(jsonb_agg(k.key), '[]') FROM jsonb_object_keys(g.ceilings) AS k(key))), p_address, p_agent, p_event);
  RETURN 'ok';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_make(public.authorization_request, public.api_client, text, text, bytea, bytea, bytea, interval[], text, text, text) TO valetkey_app;

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
  c public.api_client%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
  v_now timestamptz;
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  IF 'refresh_token' <> ALL (c.grant_types) THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  SELECT f.tenant_id, f.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_family(p_family) f;
  PERFORM set_config('app.tenant_id', coalesce(tenant_id, ''), true);
  SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = grant_refresh.tenant_id AND o.id = grant_refresh.grant_id
    AND o.client_id = p_client FOR UPDATE;
  v_now := vk_now();
  user_id := g.user_id; resource := g.resource; renews := true;
  outcome := CASE
    WHEN g.id IS NULL OR vk.grant_state(g) <> 'live' OR g.refresh_expires_at <= v_now THEN 'invalid_grant'
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

-- How a grant stands that is used: live | ended | revoked | frozen. Everything that it was made under is asked, each time:
-- nobody keeps the answer. Nothing is locked: what is made from it meanwhile carries these generations and is asked again.
CREATE OR REPLACE FUNCTION vk.grant_state(g public.oauth_grant) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF g.ended_at IS NOT NULL
    OR g.generations IS DISTINCT FROM vk.grant_generations(g.tenant_id, g.user_id, g.client_id, g.id) THEN
    RETURN 'revoked';
  END IF;
  IF g.expires_at <= vk_now() THEN RETURN 'ended'; END IF;
  IF EXISTS (SELECT FROM vk.frozen_by(g.tenant_id, g.user_id, '', '', '{}'))
    OR vk.program_frozen(g.tenant_id, g.client_id, g.id) THEN
    RETURN 'frozen';
  END IF;
  RETURN 'live';
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_state(public.oauth_grant) TO valetkey_app;

-- Notes that a grant is in use, and from where: at most once a minute. Never brings one back.
CREATE OR REPLACE FUNCTION vk.grant_used(p_tenant text, p_grant text, p_address text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE oauth_grant g SET last_used_at = vk_now(), last_address = p_address WHERE g.tenant_id = p_tenant AND g.id = p_grant
    AND g.ended_at IS NULL AND (g.last_used_at IS NULL OR g.last_used_at < vk_now() - interval '1 minute');
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_used(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_used(text, text, text) TO valetkey_app;

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
  c public.api_client%ROWTYPE;
  a public.access_token%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
  s record;
  v_tenant text;
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  -- RFC 7662 2.1: not for whoever merely knows an identifier (I-01).
  IF c.authentication = 'none' THEN outcome := 'unauthorized_client'; RETURN NEXT; RETURN; END IF;
  outcome := 'inactive';
  IF p_access IS NOT NULL OR p_family IS NOT NULL THEN
    SELECT l.tenant_id, l.grant_id INTO v_tenant, grant_id FROM lookup.grant_of_access(p_access) l;
    IF v_tenant IS NULL THEN
      SELECT l.tenant_id, l.grant_id INTO v_tenant, grant_id FROM lookup.grant_of_family(p_family) l;
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(v_tenant, ''), true);
    SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = v_tenant AND o.id = introspect.grant_id AND o.client_id = p_client;
    IF p_access IS NOT NULL THEN
      SELECT * INTO a FROM access_token k WHERE k.hash = p_access AND k.grant_id = g.id;
      kind := 'access'; issued_at := a.created_at; expires_at := a.expires_at; scopes := a.scopes;
      IF a.generations IS DISTINCT FROM g.generations THEN g.id := NULL; END IF;
    ELSE
      kind := 'refresh'; issued_at := g.created_at; expires_at := least(g.refresh_expires_at, g.expires_at); scopes := g.scopes;
      IF p_refresh IS DISTINCT FROM g.refresh_hash THEN g.id := NULL; END IF;
    END IF;
    IF g.id IS NOT NULL AND expires_at > vk_now() AND vk.grant_state(g) = 'live' THEN
      outcome := 'active'; client_id := g.client_id; user_id := g.user_id; audience := g.resource; proof_key := g.proof_key;
    END IF;
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

-- Whether somebody froze a program, or what a person gave it. NULL: there is none.
CREATE OR REPLACE FUNCTION vk.program_frozen(p_tenant text, p_client text, p_grant text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > vk_now())
    AND (f.kind = 'client' AND f.target_id = p_client OR f.kind = 'grant' AND f.target_id = p_grant));
END $$;
REVOKE EXECUTE ON FUNCTION vk.program_frozen(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.program_frozen(text, text, text) TO valetkey_app;

-- Revokes what a client brings (RFC 7009), if it is its own: an access token goes at once; of a refresh token the grant is
-- named that is to end, with everything made from it (I-06). outcome: invalid_client | done (also for what is unknown, dead or
-- another client's) | grant.
CREATE OR REPLACE FUNCTION vk.token_revoke(p_client text, p_secret bytea, p_asserted int, p_access bytea, p_family bytea)
  RETURNS TABLE (outcome text, tenant_id text, grant_id text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE c public.api_client%ROWTYPE;
BEGIN
  SELECT * INTO c FROM vk.client_enter(p_client);
  IF NOT vk.client_admits(c, p_secret, p_asserted) THEN outcome := 'invalid_client'; RETURN NEXT; RETURN; END IF;
  outcome := 'done';
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_access(p_access) l;
  IF tenant_id IS NOT NULL THEN
    PERFORM set_config('app.tenant_id', tenant_id, true);
    DELETE FROM access_token a WHERE a.hash = p_access AND EXISTS (SELECT FROM oauth_grant g
      WHERE g.tenant_id = a.tenant_id AND g.id = a.grant_id AND g.client_id = p_client);
    RETURN NEXT; RETURN;
  END IF;
  SELECT l.tenant_id, l.grant_id INTO tenant_id, grant_id FROM lookup.grant_of_family(p_family) l;
  IF tenant_id IS NOT NULL THEN
    PERFORM set_config('app.tenant_id', tenant_id, true);
    IF EXISTS (SELECT FROM oauth_grant g WHERE g.tenant_id = token_revoke.tenant_id AND g.id = token_revoke.grant_id
      AND g.client_id = p_client) THEN outcome := 'grant'; END IF;
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_revoke(text, bytea, int, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_revoke(text, bytea, int, bytea, bytea) TO valetkey_app;

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

-- How a token stands that is used through us: live | ended | revoked | frozen. Everything that it was made under is asked,
-- each time: nobody keeps the answer. Nothing is locked, because a use changes nothing that a revocation could miss.
CREATE OR REPLACE FUNCTION vk.token_state(t public.issued_token) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF t.status <> 'live' OR t.generation <> 0 OR t.generations IS DISTINCT FROM
      vk.generations(t.tenant_id, t.user_id, t.project_id, t.provider_id, t.connection_id, t.client_id, t.grant_id) THEN
    RETURN 'revoked';
  END IF;
  IF t.expires_at <= vk_now() THEN RETURN 'ended'; END IF;
  IF EXISTS (SELECT FROM vk.frozen_by(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id]))
    OR t.client_id IS NOT NULL AND vk.program_frozen(t.tenant_id, t.client_id, t.grant_id) THEN
    RETURN 'frozen';
  END IF;
  RETURN 'live';
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_state(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_state(public.issued_token) TO valetkey_app;
