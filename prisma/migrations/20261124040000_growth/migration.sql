-- Actor and target of an event as columns, because an index on an expression over jsonb cannot be used ahead of the
-- policy (its operators are not leakproof). Generated: they cannot say anything but what the body says, no sealed row is
-- updated, and the hash does not cover them. An index entry has an end, and no event may fail for it, hence left().
-- This writes the table anew, and events wait meanwhile: 300,000 took seven seconds on two busy cores.
ALTER TABLE "audit_event"
  ADD COLUMN "actor_id" TEXT GENERATED ALWAYS AS (left(body ->> 'actor', 128)) STORED,
  ADD COLUMN "target_kind" TEXT GENERATED ALWAYS AS (left(body -> 'target' ->> 'kind', 128)) STORED,
  ADD COLUMN "target_id" TEXT GENERATED ALWAYS AS (left(body -> 'target' ->> 'id', 128)) STORED;

-- CreateTable
CREATE TABLE "access_tally" (
    "tenant_id" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "minute" TIMESTAMPTZ NOT NULL,
    "untold" INTEGER NOT NULL DEFAULT 0,
    "things" TEXT[],
    "last_at" TIMESTAMPTZ NOT NULL,
    "body" JSONB NOT NULL,

    CONSTRAINT "access_tally_pkey" PRIMARY KEY ("tenant_id","actor_id","action","operation","minute")
);

-- CreateIndex
CREATE INDEX "access_tally_minute_idx" ON "access_tally"("minute");

-- Every list of tokens goes by id, newest first; nothing goes by the time of making.
-- DropIndex
DROP INDEX "issued_token_tenant_id_created_at_id_idx";

-- DropIndex
DROP INDEX "issued_token_tenant_id_user_id_idx";

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_user_id_id_idx" ON "issued_token"("tenant_id", "user_id", "id");

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_project_id_id_idx" ON "issued_token"("tenant_id", "project_id", "id");

-- CreateIndex
CREATE INDEX "issued_token_tenant_id_provider_id_id_idx" ON "issued_token"("tenant_id", "provider_id", "id");

-- CreateIndex
CREATE INDEX "connection_tenant_id_provider_id_idx" ON "connection"("tenant_id", "provider_id");

-- CreateIndex
CREATE INDEX "connection_tenant_id_status_id_idx" ON "connection"("tenant_id", "status", "id");

-- CreateIndex
CREATE INDEX "connection_project_tenant_id_project_id_idx" ON "connection_project"("tenant_id", "project_id");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it, tests/integration/growth.test.ts does.

-- Ids sort by time, so each of these is also the order of a page.
CREATE INDEX audit_event_actor ON audit_event (tenant_id, actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_event_target ON audit_event (tenant_id, target_id, id) WHERE target_id IS NOT NULL;

-- What lives, by its end, of everybody and of one person; and the few that ended before their time.
CREATE INDEX issued_token_living ON issued_token (tenant_id, expires_at, id) WHERE status IN ('issuing', 'live');
CREATE INDEX issued_token_living_own ON issued_token (tenant_id, user_id, expires_at, id) INCLUDE (project_id)
  WHERE status IN ('issuing', 'live');
CREATE INDEX issued_token_cut_short ON issued_token (tenant_id, status, id) WHERE status IN ('revoked', 'failed');
CREATE INDEX invitation_open ON invitation (tenant_id, id) WHERE used_at IS NULL;

ALTER TABLE access_tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_tally FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON access_tally USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON access_tally TO valetkey_app;

-- Notes one act: the first of its minute with an event, further ones as a number. In one call, so that neither is there
-- without the other, and a process that is killed has lost nothing.
CREATE FUNCTION vk.note_access(p_tenant text, p_event text, p_at timestamptz, p_body jsonb, p_operation text, p_thing text)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_untold int;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO access_tally AS t (tenant_id, actor_id, action, operation, minute, things, last_at, body)
    VALUES (p_tenant, p_body->>'actor', p_body->>'action', p_operation, date_trunc('minute', p_at, 'UTC'), '{}', p_at, p_body)
    ON CONFLICT (tenant_id, actor_id, action, operation, minute) DO UPDATE SET
      untold = t.untold + 1, last_at = greatest(t.last_at, p_at), body = p_body,
      things = CASE WHEN p_thing IS NULL OR p_thing = ANY (t.things) OR cardinality(t.things) >= 20 THEN t.things
        ELSE t.things || p_thing END
    RETURNING t.untold INTO v_untold;
  IF v_untold = 0 THEN
    INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, p_event, p_at, p_body);
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vk.note_access(text, text, timestamptz, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.note_access(text, text, timestamptz, jsonb, text, text) TO valetkey_app;

GRANT SELECT (tenant_id, minute) ON access_tally TO vk_lookup;
CREATE POLICY lookup ON access_tally FOR SELECT TO vk_lookup USING (true);
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE FUNCTION lookup.tally_tenants(p_before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT t.tenant_id FROM public.access_tally t WHERE t.minute <= p_before;
END;
REVOKE EXECUTE ON FUNCTION lookup.tally_tenants(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.tally_tenants(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
