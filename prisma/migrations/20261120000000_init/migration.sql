-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "instance" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "key_canary" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "instance_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user" (
    "id" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" TEXT NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "user_id" TEXT NOT NULL,
    "address" TEXT,
    "agent" TEXT,
    "auth_time" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_active_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant" (
    "id" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "max_lifetime_seconds" INTEGER NOT NULL DEFAULT 28800,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant_key" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "wrapped" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "tenant_key_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "member" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'active',
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "member_pkey" PRIMARY KEY ("tenant_id","user_id")
);

-- CreateTable
CREATE TABLE "invitation" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "role" TEXT NOT NULL,
    "note" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ,
    "used_by" TEXT,

    CONSTRAINT "invitation_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "provider" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "callback_key" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "client_secret" TEXT,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "max_lifetime_seconds" INTEGER,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "provider_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "project" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "external_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "alias" TEXT NOT NULL,
    "region" TEXT,
    "max_lifetime_seconds" INTEGER,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "project_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "project_alias" (
    "tenant_id" TEXT NOT NULL,
    "alias" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "project_alias_pkey" PRIMARY KEY ("tenant_id","alias")
);

-- CreateTable
CREATE TABLE "connection" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "account_name" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "cause" TEXT,
    "status_since" TIMESTAMPTZ NOT NULL,
    "scopes_granted" TEXT[],
    "refresh_token" TEXT,
    "access_token" TEXT,
    "access_expires_at" TIMESTAMPTZ,
    "token_version" INTEGER NOT NULL DEFAULT 1,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "claim_until" TIMESTAMPTZ,
    "intent_at" TIMESTAMPTZ,
    "next_try_at" TIMESTAMPTZ,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "last_refresh_at" TIMESTAMPTZ,
    "branch_id" TEXT,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "linked_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "connection_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "connection_project" (
    "tenant_id" TEXT NOT NULL,
    "connection_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" TEXT,

    CONSTRAINT "connection_project_pkey" PRIMARY KEY ("tenant_id","connection_id","project_id")
);

-- CreateTable
CREATE TABLE "attempt" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "state_hash" BYTEA NOT NULL,
    "browser_hash" BYTEA NOT NULL,
    "session_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "connection_id" TEXT,
    "alias" TEXT,
    "callback_key" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "redirect_uri" TEXT NOT NULL,
    "secrets" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "outcome" TEXT,
    "detail" TEXT,
    "result_project_id" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "consumed_at" TIMESTAMPTZ,

    CONSTRAINT "attempt_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "issued_token" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "connection_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "strategy" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "nonce" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "scopes_asked" JSONB NOT NULL,
    "scopes_granted" JSONB,
    "upstream_id" TEXT,
    "handle" TEXT,
    "fingerprint" TEXT,
    "generations" INTEGER[],
    "generation" INTEGER NOT NULL DEFAULT 0,
    "failure" TEXT,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "revoked_at" TIMESTAMPTZ,
    "revoked_by" TEXT,
    "last_used_at" TIMESTAMPTZ,
    "next_try_at" TIMESTAMPTZ,

    CONSTRAINT "issued_token_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "upstream_revocation" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "connection_id" TEXT NOT NULL,
    "token_id" TEXT,
    "upstream_id" TEXT,
    "handle" TEXT,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "tries" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT,
    "next_try_at" TIMESTAMPTZ,
    "claim_until" TIMESTAMPTZ,
    "created_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,

    CONSTRAINT "upstream_revocation_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "audit_event" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "body" JSONB NOT NULL,
    "seq" BIGINT,
    "hash" BYTEA,

    CONSTRAINT "audit_event_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "audit_outbox" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "body" JSONB NOT NULL,

    CONSTRAINT "audit_outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rate_limit" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,

    CONSTRAINT "rate_limit_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_issuer_subject_key" ON "user"("issuer", "subject");

-- CreateIndex
CREATE UNIQUE INDEX "session_token_hash_key" ON "session"("token_hash");

-- CreateIndex
CREATE INDEX "session_user_id_idx" ON "session"("user_id");

-- CreateIndex
CREATE INDEX "session_expires_at_idx" ON "session"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "tenant_slug_key" ON "tenant"("slug");

-- CreateIndex
CREATE INDEX "member_user_id_idx" ON "member"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "invitation_token_hash_key" ON "invitation"("token_hash");

-- CreateIndex
CREATE UNIQUE INDEX "provider_tenant_id_issuer_client_id_key" ON "provider"("tenant_id", "issuer", "client_id");

-- CreateIndex
CREATE UNIQUE INDEX "project_tenant_id_provider_id_external_id_key" ON "project"("tenant_id", "provider_id", "external_id");

-- CreateIndex
CREATE INDEX "connection_tenant_id_user_id_idx" ON "connection"("tenant_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "connection_project_tenant_id_user_id_project_id_key" ON "connection_project"("tenant_id", "user_id", "project_id");

-- CreateIndex
CREATE UNIQUE INDEX "attempt_state_hash_key" ON "attempt"("state_hash");

-- CreateIndex
CREATE INDEX "attempt_tenant_id_user_id_created_at_idx" ON "attempt"("tenant_id", "user_id", "created_at");

-- CreateIndex
CREATE INDEX "attempt_expires_at_idx" ON "attempt"("expires_at");

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_created_at_id_idx" ON "issued_token"("tenant_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_user_id_idx" ON "issued_token"("tenant_id", "user_id");

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_connection_id_idx" ON "issued_token"("tenant_id", "connection_id");

-- CreateIndex
CREATE INDEX "issued_token_expires_at_idx" ON "issued_token"("expires_at");

-- CreateIndex
CREATE INDEX "upstream_revocation_tenant_id_token_id_idx" ON "upstream_revocation"("tenant_id", "token_id");

-- CreateIndex
CREATE INDEX "upstream_revocation_tenant_id_connection_id_idx" ON "upstream_revocation"("tenant_id", "connection_id");

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "member" ADD CONSTRAINT "member_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "project" ADD CONSTRAINT "project_tenant_id_provider_id_fkey" FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "provider"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "project_alias" ADD CONSTRAINT "project_alias_tenant_id_project_id_fkey" FOREIGN KEY ("tenant_id", "project_id") REFERENCES "project"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection" ADD CONSTRAINT "connection_tenant_id_provider_id_fkey" FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "provider"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection_project" ADD CONSTRAINT "connection_project_tenant_id_connection_id_fkey" FOREIGN KEY ("tenant_id", "connection_id") REFERENCES "connection"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection_project" ADD CONSTRAINT "connection_project_tenant_id_project_id_fkey" FOREIGN KEY ("tenant_id", "project_id") REFERENCES "project"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "issued_token" ADD CONSTRAINT "issued_token_tenant_id_project_id_fkey" FOREIGN KEY ("tenant_id", "project_id") REFERENCES "project"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "issued_token" ADD CONSTRAINT "issued_token_tenant_id_connection_id_fkey" FOREIGN KEY ("tenant_id", "connection_id") REFERENCES "connection"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_revocation" ADD CONSTRAINT "upstream_revocation_tenant_id_token_id_fkey" FOREIGN KEY ("tenant_id", "token_id") REFERENCES "issued_token"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it, tests/integration/isolation.test.ts does.
-- Roles come from scripts/roles.sql: valetkey_owner (runs this), valetkey_app, vk_lookup.

CREATE SCHEMA vk;
CREATE SCHEMA lookup;
GRANT USAGE ON SCHEMA public, vk TO valetkey_app, vk_lookup;
GRANT USAGE ON SCHEMA lookup TO valetkey_app;

-- The clock. Empty in production; the app role cannot write it, so only tests move it.
CREATE TABLE vk.clock (offset_seconds double precision NOT NULL);
GRANT SELECT ON vk.clock TO valetkey_app, vk_lookup;
CREATE FUNCTION vk_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT clock_timestamp() + coalesce((SELECT make_interval(secs => c.offset_seconds) FROM vk.clock c LIMIT 1), interval '0')
$$;

-- Tenant isolation: forced, so that the owner is bound as well. After any local set the setting becomes '', not NULL,
-- hence nullif; the sub-select makes it an InitPlan, evaluated once a statement.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenant_key', 'member', 'invitation', 'provider', 'project', 'project_alias', 'connection',
    'connection_project', 'attempt', 'issued_token', 'upstream_revocation', 'audit_event', 'audit_outbox'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''app.tenant_id'', true), '''')))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO valetkey_app', t);
  END LOOP;
END $$;
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE ON tenant, instance TO valetkey_app;
GRANT SELECT, INSERT, UPDATE ON "user" TO valetkey_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON session, rate_limit TO valetkey_app;

-- Audit: append-only for the app role; seq and hash belong to the sealer (architecture.md, Audit).
REVOKE ALL ON audit_event FROM valetkey_app;
GRANT SELECT, INSERT (tenant_id, id, at, body) ON audit_event TO valetkey_app;
CREATE INDEX audit_event_unsealed ON audit_event (tenant_id, id) WHERE seq IS NULL;
CREATE UNIQUE INDEX audit_event_seq ON audit_event (tenant_id, seq) WHERE seq IS NOT NULL;

-- States are closed lists.
ALTER TABLE member ADD CONSTRAINT member_role CHECK (role IN ('owner', 'admin', 'member', 'auditor'));
ALTER TABLE member ADD CONSTRAINT member_status CHECK (status IN ('active', 'suspended'));
ALTER TABLE invitation ADD CONSTRAINT invitation_role CHECK (role IN ('owner', 'admin', 'member', 'auditor'));
ALTER TABLE provider ADD CONSTRAINT provider_kind CHECK (kind IN ('oidc', 'keycloak', 'keboola', 'mcp'));
ALTER TABLE connection ADD CONSTRAINT connection_status
  CHECK (status IN ('linked', 'degraded', 'uncertain', 'needs_relink', 'frozen', 'revoked'));
ALTER TABLE connection ADD CONSTRAINT connection_wiped
  CHECK (status <> 'revoked' OR (refresh_token IS NULL AND access_token IS NULL));
ALTER TABLE attempt ADD CONSTRAINT attempt_status CHECK (status IN ('pending', 'consumed', 'done', 'failed'));
ALTER TABLE issued_token ADD CONSTRAINT issued_token_strategy CHECK (strategy IN ('mint', 'exchange', 'narrow', 'sign'));
ALTER TABLE issued_token ADD CONSTRAINT issued_token_status CHECK (status IN ('issuing', 'live', 'failed', 'revoked'));
ALTER TABLE upstream_revocation ADD CONSTRAINT upstream_revocation_kind CHECK (kind IN ('token', 'grant', 'orphans'));
ALTER TABLE upstream_revocation ADD CONSTRAINT upstream_revocation_state
  CHECK (state IN ('pending', 'done', 'confirmed', 'failed', 'impossible'));

-- What is due, found without reading the rest.
CREATE INDEX upstream_revocation_due ON upstream_revocation (next_try_at) WHERE state = 'pending';
CREATE INDEX issued_token_issuing ON issued_token (created_at) WHERE status = 'issuing';

-- Look-ups that precede the tenant. Owned by vk_lookup (NOLOGIN, no BYPASSRLS): it sees only the columns granted here,
-- through its own policies, and the app role reaches it only through these functions.
GRANT SELECT (id, slug, name) ON tenant TO vk_lookup;
CREATE POLICY lookup ON tenant FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, user_id, role, status) ON member TO vk_lookup;
CREATE POLICY lookup ON member FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, state_hash) ON attempt TO vk_lookup;
CREATE POLICY lookup ON attempt FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, token_hash) ON invitation TO vk_lookup;
CREATE POLICY lookup ON invitation FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, state, next_try_at, claim_until) ON upstream_revocation TO vk_lookup;
CREATE POLICY lookup ON upstream_revocation FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, status, created_at, next_try_at) ON issued_token TO vk_lookup;
CREATE POLICY lookup ON issued_token FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id) ON audit_outbox TO vk_lookup;
CREATE POLICY lookup ON audit_outbox FOR SELECT TO vk_lookup USING (true);

GRANT CREATE ON SCHEMA lookup TO vk_lookup;
GRANT USAGE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;

CREATE FUNCTION lookup.tenants_of(p_user text)
  RETURNS TABLE (tenant_id text, slug text, name text, role text, status text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id, t.slug, t.name, m.role, m.status FROM public.member m JOIN public.tenant t ON t.id = m.tenant_id
  WHERE m.user_id = p_user ORDER BY t.name, t.id;
END;

CREATE FUNCTION lookup.membership(p_user text, p_slug text)
  RETURNS TABLE (tenant_id text, slug text, name text, role text, status text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id, t.slug, t.name, m.role, m.status FROM public.member m JOIN public.tenant t ON t.id = m.tenant_id
  WHERE m.user_id = p_user AND t.slug = p_slug;
END;

CREATE FUNCTION lookup.tenant_ids() RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id FROM public.tenant t ORDER BY t.id;
END;

CREATE FUNCTION lookup.tenant_by_slug(p_slug text) RETURNS text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id FROM public.tenant t WHERE t.slug = p_slug;
END;

CREATE FUNCTION lookup.attempt_by_state(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT a.tenant_id, a.id FROM public.attempt a WHERE a.state_hash = p_hash;
END;

CREATE FUNCTION lookup.invitation_by_hash(p_hash bytea) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT i.tenant_id, i.id FROM public.invitation i WHERE i.token_hash = p_hash;
END;

CREATE FUNCTION lookup.due_revocations(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, r.next_try_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.next_try_at) AS turn
    FROM public.upstream_revocation r
    WHERE r.state = 'pending' AND r.next_try_at <= p_now AND (r.claim_until IS NULL OR r.claim_until < p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.next_try_at LIMIT p_limit;
END;

CREATE FUNCTION lookup.stale_issuing(p_before timestamptz, p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT t.tenant_id, t.id, t.created_at, row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.created_at) AS turn
    FROM public.issued_token t
    WHERE t.status = 'issuing' AND t.created_at < p_before AND (t.next_try_at IS NULL OR t.next_try_at <= p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.created_at LIMIT p_limit;
END;

CREATE FUNCTION lookup.outbox_tenants() RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT o.tenant_id FROM public.audit_outbox o;
END;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA lookup FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lookup TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Refresh (architecture.md, Refresh). The tenant is the first argument and the first line of each function: a policy
-- sees a value set earlier in the same call, never one set in the same statement.

-- Answers: fresh (use access_token) | claimed (refresh now, with this fence) | busy (look again after wait_ms; the old
-- access_token while it lives) | resting (upstream failed lately; the old access_token while it lives) | dead | missing.
-- p_stale: a version whose access token the upstream has refused, or 0.
CREATE FUNCTION vk.refresh_claim(p_tenant text, p_connection text, p_stale int, p_margin interval, p_lease interval)
  RETURNS TABLE (outcome text, token_version int, fence int, refresh_token text, access_token text,
    access_expires_at timestamptz, uncertain boolean, wait_ms int, status text, cause text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c public.connection%ROWTYPE;
  v_now timestamptz;
  v_alive boolean;
  v_fence int;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  SELECT * INTO c FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'missing', 0, 0, NULL::text, NULL::text, NULL::timestamptz, false, 0, NULL::text, NULL::text;
    RETURN;
  END IF;
  IF c.status IN ('needs_relink', 'frozen', 'revoked') THEN
    RETURN QUERY SELECT 'dead', c.token_version, c.fence, NULL::text, NULL::text, NULL::timestamptz, false, 0, c.status, c.cause;
    RETURN;
  END IF;
  v_alive := c.access_token IS NOT NULL AND c.token_version > p_stale AND c.access_expires_at > v_now;
  IF v_alive AND c.access_expires_at > v_now + p_margin THEN
    RETURN QUERY SELECT 'fresh', c.token_version, c.fence, NULL::text, c.access_token, c.access_expires_at, false, 0, c.status, c.cause;
    RETURN;
  END IF;
  IF c.claim_until IS NOT NULL AND c.claim_until >= v_now THEN
    RETURN QUERY SELECT 'busy', c.token_version, c.fence, NULL::text, CASE WHEN v_alive THEN c.access_token END,
      c.access_expires_at, false, ceil(extract(epoch FROM c.claim_until - v_now) * 1000)::int, c.status, c.cause;
    RETURN;
  END IF;
  IF c.next_try_at IS NOT NULL AND c.next_try_at > v_now THEN
    RETURN QUERY SELECT 'resting', c.token_version, c.fence, NULL::text, CASE WHEN v_alive THEN c.access_token END,
      c.access_expires_at, false, ceil(extract(epoch FROM c.next_try_at - v_now) * 1000)::int, c.status, c.cause;
    RETURN;
  END IF;
  -- The version is part of the claim: without it a caller that read just before a write-back claims again (RR-03).
  UPDATE connection k SET fence = k.fence + 1, claim_until = v_now + p_lease, intent_at = v_now,
      status = CASE WHEN c.intent_at IS NOT NULL THEN 'uncertain' ELSE k.status END,
      status_since = CASE WHEN c.intent_at IS NOT NULL AND k.status <> 'uncertain' THEN v_now ELSE k.status_since END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version
      AND k.status IN ('linked', 'degraded', 'uncertain') AND (k.claim_until IS NULL OR k.claim_until < v_now)
    RETURNING k.fence INTO v_fence;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'busy', c.token_version, c.fence, NULL::text, CASE WHEN v_alive THEN c.access_token END,
      c.access_expires_at, false, 0, c.status, c.cause;
    RETURN;
  END IF;
  RETURN QUERY SELECT 'claimed', c.token_version, v_fence, c.refresh_token, CASE WHEN v_alive THEN c.access_token END,
    c.access_expires_at, c.intent_at IS NOT NULL, 0, c.status, c.cause;
END $$;

-- Writes a rotated pair back: by version, so that a holder that was paused past its lease heals the row.
-- Answers: stored | revoked (revoke what was received) | superseded (discard silently).
CREATE FUNCTION vk.refresh_store(p_tenant text, p_connection text, p_sent int, p_fence int, p_refresh text, p_access text,
    p_expires timestamptz, p_scopes text[])
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_status text;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET refresh_token = p_refresh, access_token = p_access, access_expires_at = p_expires,
      scopes_granted = coalesce(p_scopes, k.scopes_granted), token_version = k.token_version + 1, claim_until = NULL,
      intent_at = NULL, next_try_at = NULL, failures = 0, last_refresh_at = vk_now(),
      status = CASE WHEN k.status = 'frozen' THEN k.status ELSE 'linked' END,
      cause = CASE WHEN k.status = 'frozen' THEN k.cause END,
      status_since = CASE WHEN k.status IN ('linked', 'frozen') THEN k.status_since ELSE vk_now() END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.status <> 'revoked'
      AND (k.fence = p_fence OR k.status = 'uncertain' OR k.cause = 'lost_in_rotation');
  IF FOUND THEN RETURN 'stored'; END IF;
  SELECT k.status INTO v_status FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  RETURN CASE WHEN v_status = 'revoked' THEN 'revoked' ELSE 'superseded' END;
END $$;

-- Records a refresh that brought nothing. p_intent: whether the refresh token may have reached the upstream; kept, it
-- makes the next claim an uncertain one. A late loser changes nothing (RR-08): version and fence must still be its own.
CREATE FUNCTION vk.refresh_fail(p_tenant text, p_connection text, p_sent int, p_fence int, p_status text, p_cause text,
    p_intent boolean, p_rest interval)
  RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET claim_until = NULL, intent_at = CASE WHEN p_intent THEN k.intent_at END,
      next_try_at = vk_now() + p_rest, failures = k.failures + 1, status = p_status, cause = p_cause,
      status_since = CASE WHEN k.status = p_status THEN k.status_since ELSE vk_now() END,
      refresh_token = CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN NULL ELSE k.refresh_token END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence
      AND k.status NOT IN ('frozen', 'revoked', 'needs_relink');
  RETURN FOUND;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vk FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vk TO valetkey_app;
INSERT INTO instance (id) VALUES (1);
