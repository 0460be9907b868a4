-- AlterTable
ALTER TABLE "issued_token" ADD COLUMN     "secret_hash" BYTEA;

-- CreateTable
CREATE TABLE "use_tally" (
    "tenant_id" TEXT NOT NULL,
    "token_id" TEXT NOT NULL,
    "minute" TIMESTAMPTZ NOT NULL,
    "requests" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "bytes_sent" BIGINT NOT NULL,
    "bytes_received" BIGINT NOT NULL,

    CONSTRAINT "use_tally_pkey" PRIMARY KEY ("tenant_id","token_id","minute")
);

-- CreateTable
CREATE TABLE "token_use" (
    "tenant_id" TEXT NOT NULL,
    "token_id" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "project_id" TEXT NOT NULL,
    "requests" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "bytes_sent" BIGINT NOT NULL,
    "bytes_received" BIGINT NOT NULL,

    CONSTRAINT "token_use_pkey" PRIMARY KEY ("tenant_id","token_id","day")
);

-- CreateIndex
CREATE INDEX "use_tally_minute_idx" ON "use_tally"("minute");

-- CreateIndex
CREATE INDEX "token_use_tenant_id_project_id_day_idx" ON "token_use"("tenant_id", "project_id", "day");

-- CreateIndex
CREATE INDEX "token_use_day_idx" ON "token_use"("day");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

-- Only a token of our own has one, and no two have the same.
CREATE UNIQUE INDEX issued_token_secret_hash ON issued_token (secret_hash) WHERE secret_hash IS NOT NULL;
ALTER TABLE issued_token ADD CONSTRAINT issued_token_own_secret CHECK (secret_hash IS NULL OR strategy = 'proxy');
GRANT SELECT (secret_hash) ON issued_token TO vk_lookup;
-- When the tokens of a project were last used through us.
CREATE INDEX issued_token_used ON issued_token (tenant_id, project_id, last_used_at DESC)
  WHERE strategy = 'proxy' AND last_used_at IS NOT NULL;

ALTER TABLE use_tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE use_tally FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON use_tally USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
CREATE POLICY lookup ON use_tally FOR SELECT TO vk_lookup USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON use_tally TO valetkey_app;
GRANT SELECT (tenant_id, minute) ON use_tally TO vk_lookup;

ALTER TABLE token_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_use FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON token_use USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON token_use TO valetkey_app;

-- Whose token it is that somebody brings: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.token_by_secret(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.tenant_id, t.id FROM public.issued_token t WHERE t.secret_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.token_by_secret(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.token_by_secret(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Tenants with uses of tokens that no event has told of, in minutes up to p_before.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.use_tenants(p_before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT u.tenant_id FROM public.use_tally u WHERE u.minute <= p_before;
END;
REVOKE EXECUTE ON FUNCTION lookup.use_tenants(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.use_tenants(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Adds what went through the proxy with a token: to the minute, which an event tells of once it is over, and to the day.
CREATE OR REPLACE FUNCTION vk.note_use(p_tenant text, p_token text, p_project text, p_at timestamptz, p_requests bigint,
    p_refused bigint, p_sent bigint, p_received bigint)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO use_tally AS u (tenant_id, token_id, minute, requests, refused, bytes_sent, bytes_received)
    VALUES (p_tenant, p_token, date_trunc('minute', p_at), p_requests, p_refused, p_sent, p_received)
    ON CONFLICT (tenant_id, token_id, minute) DO UPDATE SET requests = u.requests + p_requests, refused = u.refused + p_refused,
      bytes_sent = u.bytes_sent + p_sent, bytes_received = u.bytes_received + p_received;
  INSERT INTO token_use AS u (tenant_id, token_id, day, project_id, requests, refused, bytes_sent, bytes_received)
    VALUES (p_tenant, p_token, (p_at AT TIME ZONE 'UTC')::date, p_project, p_requests, p_refused, p_sent, p_received)
    ON CONFLICT (tenant_id, token_id, day) DO UPDATE SET requests = u.requests + p_requests, refused = u.refused + p_refused,
      bytes_sent = u.bytes_sent + p_sent, bytes_received = u.bytes_received + p_received;
  IF p_requests > 0 THEN
    UPDATE issued_token k SET last_used_at = p_at WHERE k.tenant_id = p_tenant AND k.id = p_token
      AND (k.last_used_at IS NULL OR k.last_used_at < p_at - interval '1 minute');
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vk.note_use(text, text, text, timestamptz, bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.note_use(text, text, text, timestamptz, bigint, bigint, bigint, bigint) TO valetkey_app;

-- Everything that requests through the proxy stand on, in one call for all that came since the one before: whose token each
-- brings, whether it and all that it was made under stand now, and what its upstream is to be shown.
-- state: unknown | elsewhere (it is for another project than the address names) | live | ended | revoked | frozen.
-- p_seen: xmin of the provider row that the caller has read already, or ''. rules, settings: only where it has not.
-- access_token: sealed, while it lives longer than p_margin and its connection is usable. first: nobody has used the token.
-- touch: whether vk.connection_used is worth a call. Moments in milliseconds since 1970.
-- A hash precedes the tenant, which is set as soon as it is known, anew for each.
CREATE OR REPLACE FUNCTION vk.proxy_enter(p_hashes text[], p_slugs text[], p_projects text[], p_seen text[], p_margin interval)
  RETURNS TABLE (state text, tenant_id text, token_id text, user_id text, project_id text, connection_id text,
    rules jsonb, provider_seen text, kind text, issuer text, settings jsonb, external_id text,
    access_token text, token_version int, refreshed_at float8, first boolean, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  t public.issued_token%ROWTYPE;
  c public.connection%ROWTYPE;
  v_now timestamptz;
  v_refreshed timestamptz;
BEGIN
  FOR i IN 1 .. cardinality(p_hashes) LOOP
    state := 'unknown'; user_id := NULL; project_id := NULL; connection_id := NULL;
    rules := NULL; provider_seen := NULL; kind := NULL; issuer := NULL; settings := NULL; external_id := NULL;
    access_token := NULL; token_version := NULL; refreshed_at := NULL; first := NULL; touch := NULL;
    SELECT l.tenant_id, l.id INTO tenant_id, token_id FROM lookup.token_by_secret(decode(p_hashes[i], 'hex')) l;
    IF tenant_id IS NULL THEN RETURN NEXT; CONTINUE; END IF;
    PERFORM set_config('app.tenant_id', tenant_id, true);
    v_now := vk_now();
    SELECT * INTO t FROM issued_token k WHERE k.tenant_id = proxy_enter.tenant_id AND k.id = token_id;
    user_id := t.user_id; project_id := t.project_id; connection_id := t.connection_id;
    first := t.last_used_at IS NULL;
    IF NOT EXISTS (SELECT FROM tenant n WHERE n.id = t.tenant_id AND n.slug = p_slugs[i])
      OR p_projects[i] <> t.project_id AND NOT EXISTS (SELECT FROM project_alias a
         WHERE a.tenant_id = t.tenant_id AND a.alias = p_projects[i] AND a.project_id = t.project_id) THEN
      state := 'elsewhere';
      RETURN NEXT; CONTINUE;
    END IF;
    state := vk.token_state(t);
    IF state <> 'live' THEN RETURN NEXT; CONTINUE; END IF;
    SELECT r.xmin::text, c.token_version, c.access_token, c.access_expires_at, c.status, c.used_at, c.last_refresh_at, c.linked_at
      INTO provider_seen, c.token_version, c.access_token, c.access_expires_at, c.status, c.used_at, c.last_refresh_at, c.linked_at
      FROM provider r JOIN connection c ON c.tenant_id = r.tenant_id
      WHERE r.tenant_id = t.tenant_id AND r.id = t.provider_id AND c.id = t.connection_id;
    IF provider_seen <> p_seen[i] THEN
      SELECT t.scopes_granted, r.kind, r.issuer, r.settings, p.external_id INTO rules, kind, issuer, settings, external_id
        FROM provider r JOIN project p ON p.tenant_id = r.tenant_id
        WHERE r.tenant_id = t.tenant_id AND r.id = t.provider_id AND p.id = t.project_id;
    END IF;
    v_refreshed := greatest(c.last_refresh_at, c.linked_at);
    token_version := c.token_version; refreshed_at := extract(epoch FROM v_refreshed) * 1000;
    touch := c.used_at IS NULL OR c.used_at < v_now - interval '5 minutes';
    IF c.status IN ('linked', 'degraded', 'uncertain')
       AND c.access_expires_at > v_now + least(p_margin, (c.access_expires_at - v_refreshed) / 2) THEN
      access_token := c.access_token;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vk.proxy_enter(text[], text[], text[], text[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.proxy_enter(text[], text[], text[], text[], interval) TO valetkey_app;

-- How a token stands that is used through us: live | ended | revoked | frozen. Everything that it was made under is asked,
-- each time: nobody keeps the answer. Nothing is locked, because a use changes nothing that a revocation could miss.
CREATE OR REPLACE FUNCTION vk.token_state(t public.issued_token) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF t.status <> 'live' OR t.generation <> 0 OR t.generations IS DISTINCT FROM
      vk.generations(t.tenant_id, t.user_id, t.project_id, t.provider_id, t.connection_id, t.client_id, t.grant_id) THEN
    RETURN 'revoked';
  END IF;
  IF t.expires_at <= vk_now() THEN RETURN 'ended'; END IF;
  IF EXISTS (SELECT FROM vk.frozen_by(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id])) THEN
    RETURN 'frozen';
  END IF;
  RETURN 'live';
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_state(public.issued_token) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_state(public.issued_token) TO valetkey_app;

-- How each of these tokens of one tenant stands now: asked several times a second for those with a running stream.
CREATE OR REPLACE FUNCTION vk.tokens_standing(p_tenant text, p_ids text[]) RETURNS TABLE (id text, state text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT k.id, vk.token_state(k) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = ANY (p_ids);
END $$;
REVOKE EXECUTE ON FUNCTION vk.tokens_standing(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.tokens_standing(text, text[]) TO valetkey_app;

-- The generations of what a token stands on now, in the order of issued_token.generations, which nothing else knows: its
-- own (none has been raised yet), connection, project, provider, member, tenant, instance, then client and grant. NULL for
-- p_connection (strategy sign), p_client and p_grant: it stands on none. NULL where something that is named is not there.
-- A token without client and grant has seven, as every one of the version before: both read each other's.
-- PL/pgSQL, whose plan is kept: as plain SQL it was planned anew in every use through the proxy, at five times the cost.
CREATE OR REPLACE FUNCTION vk.generations(p_tenant text, p_user text, p_project text, p_provider text, p_connection text,
    p_client text, p_grant text)
  RETURNS int[] LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_now int[] := ARRAY[
    0,
    CASE WHEN p_connection IS NULL THEN 0
      ELSE (SELECT c.generation FROM connection c WHERE c.tenant_id = p_tenant AND c.id = p_connection) END,
    (SELECT p.generation FROM project p WHERE p.tenant_id = p_tenant AND p.id = p_project),
    (SELECT r.generation FROM provider r WHERE r.tenant_id = p_tenant AND r.id = p_provider),
    (SELECT m.generation FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user),
    (SELECT n.generation FROM tenant n WHERE n.id = p_tenant),
    (SELECT i.generation FROM instance i WHERE i.id = 1)];
BEGIN
  IF p_client IS NOT NULL THEN
    v_now := v_now || (SELECT a.generation FROM api_client a WHERE a.id = p_client);
  END IF;
  IF p_grant IS NOT NULL THEN
    v_now := v_now || (SELECT o.generation FROM oauth_grant o
      WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client);
  END IF;
  RETURN CASE WHEN array_position(v_now, NULL) IS NULL THEN v_now END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) TO valetkey_app;

-- What stops the use of a connection by its owner, or of a project or provider that somebody would link: the widest first,
-- then what lasts longest. p_connection: NULL where there is none yet. p_projects: those that matter; NULL: every one that
-- the connection reaches. Who is suspended or gone stops it like a freeze (kind membership). A freeze whose time is over
-- is none. Nothing but this function decides it.
CREATE OR REPLACE FUNCTION vk.frozen_by(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[])
  RETURNS TABLE (kind text, target_id text, frozen_by text, frozen_at timestamptz, reason text, until timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active') THEN
    kind := 'membership'; target_id := p_user;
    RETURN NEXT;
  END IF;
  -- Most tenants have none, and every use through the proxy asks.
  IF NOT EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = p_tenant) THEN RETURN; END IF;
  RETURN QUERY SELECT f.kind, f.target_id, f.frozen_by, f.frozen_at, f.reason, f.until FROM freeze_fact f
    WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > vk_now()) AND (
      f.kind = 'member' AND f.target_id = p_user OR f.kind = 'provider' AND f.target_id = p_provider
      OR f.kind = 'connection' AND f.target_id = p_connection
      OR f.kind = 'project' AND f.target_id = ANY (coalesce(p_projects, ARRAY(SELECT l.project_id FROM connection_project l
        WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection))))
    ORDER BY array_position(ARRAY['member', 'provider', 'project', 'connection'], f.kind), f.until DESC NULLS FIRST;
END $$;
REVOKE EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) TO valetkey_app;

-- The clock. vk.clock is empty in production and the app role cannot write it, so only tests move time. PL/pgSQL, whose plan
-- is kept: it is asked several times in every use through the proxy.
CREATE OR REPLACE FUNCTION public.vk_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN clock_timestamp() + coalesce((SELECT make_interval(secs => c.offset_seconds) FROM vk.clock c LIMIT 1), interval '0');
END $$;
