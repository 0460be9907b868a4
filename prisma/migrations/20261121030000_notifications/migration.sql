-- AlterTable
ALTER TABLE "connection" ADD COLUMN     "grant_fixed" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "notification" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT,
    "kind" TEXT NOT NULL,
    "connection_id" TEXT,
    "provider_id" TEXT,
    "details" JSONB NOT NULL DEFAULT '{}',
    "dedupe_key" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "read_at" TIMESTAMPTZ,

    CONSTRAINT "notification_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "webhook" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "secret" TEXT NOT NULL,
    "previous_secret" TEXT,
    "previous_until" TIMESTAMPTZ,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "disabled_cause" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_success_at" TIMESTAMPTZ,
    "last_failure_at" TIMESTAMPTZ,
    "failing_since" TIMESTAMPTZ,
    "failures" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "webhook_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "webhook_delivery" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "webhook_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "tries" INTEGER NOT NULL DEFAULT 0,
    "next_try_at" TIMESTAMPTZ,
    "claim_until" TIMESTAMPTZ,
    "last_status" INTEGER,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,

    CONSTRAINT "webhook_delivery_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "notification_tenant_id_dedupe_key_key" ON "notification"("tenant_id", "dedupe_key");

-- CreateIndex
CREATE INDEX "notification_tenant_id_user_id_id_idx" ON "notification"("tenant_id", "user_id", "id" DESC);

-- CreateIndex
CREATE INDEX "webhook_delivery_tenant_id_webhook_id_id_idx" ON "webhook_delivery"("tenant_id", "webhook_id", "id" DESC);

-- CreateIndex
CREATE INDEX "webhook_delivery_tenant_id_created_at_idx" ON "webhook_delivery"("tenant_id", "created_at");

-- AddForeignKey
ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_tenant_id_webhook_id_fkey" FOREIGN KEY ("tenant_id", "webhook_id") REFERENCES "webhook"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['notification', 'webhook', 'webhook_delivery'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''app.tenant_id'', true), '''')))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO valetkey_app', t);
  END LOOP;
END $$;

ALTER TABLE webhook ADD CONSTRAINT webhook_disabled_cause
  CHECK (disabled_cause IN ('gone', 'failing') AND NOT (enabled AND disabled_cause IS NOT NULL));
ALTER TABLE webhook ADD CONSTRAINT webhook_previous CHECK (previous_secret IS NULL OR previous_until IS NOT NULL);
ALTER TABLE webhook_delivery ADD CONSTRAINT webhook_delivery_state CHECK (state IN ('pending', 'delivered', 'failed'));

CREATE INDEX notification_unread ON notification (tenant_id, user_id) WHERE read_at IS NULL;
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_try_at) WHERE state = 'pending';
CREATE INDEX connection_grant_end ON connection (tenant_id, grant_expires_at)
  WHERE grant_expires_at IS NOT NULL AND status IN ('linked', 'degraded', 'uncertain');

GRANT SELECT (tenant_id, id, webhook_id, state, next_try_at, claim_until) ON webhook_delivery TO vk_lookup;
CREATE POLICY lookup ON webhook_delivery FOR SELECT TO vk_lookup USING (true);
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
-- Messages that are due; webhooks take turns, so that a dead one holds up neither its tenant's others nor other tenants.
CREATE FUNCTION lookup.due_deliveries(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text, webhook_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id, d.webhook_id FROM (
    SELECT m.tenant_id, m.id, m.webhook_id, m.next_try_at,
      row_number() OVER (PARTITION BY m.tenant_id, m.webhook_id ORDER BY m.next_try_at, m.id) AS turn
    FROM public.webhook_delivery m
    WHERE m.state = 'pending' AND m.next_try_at <= p_now AND (m.claim_until IS NULL OR m.claim_until < p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.next_try_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_deliveries(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_deliveries(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- A change of status is told in its own transaction, whoever makes it: refresh, linking, revoking, freezing, a sweep.
-- What is told is not worth the change itself (a rotated token, a revocation), so a failure here is only a warning.
CREATE FUNCTION vk.tell_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO notification (tenant_id, id, user_id, kind, connection_id, provider_id, details, created_at)
  VALUES (NEW.tenant_id, vk.new_id('ntf'), NEW.user_id,
    'connection.' || CASE NEW.status WHEN 'linked' THEN 'recovered' ELSE NEW.status END, NEW.id, NEW.provider_id,
    jsonb_build_object('status', NEW.status, 'before', OLD.status, 'cause', NEW.cause,
      'projects', vk.project_references(NEW.tenant_id, NEW.id)), vk_now());
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'a notification was not written: % %', SQLSTATE, SQLERRM;
  RETURN NULL;
END $$;

-- Projects of a connection, as notifications and messages name them.
CREATE FUNCTION vk.project_references(p_tenant text, p_connection text) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'alias', p.alias) ORDER BY p.alias), '[]')
  FROM connection_project l JOIN project p ON p.tenant_id = l.tenant_id AND p.id = l.project_id
  WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection
$$;

CREATE TRIGGER tell_status AFTER UPDATE OF status ON connection FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION vk.tell_status();

-- One message for each webhook that is on. Its body is what signatures are over, so it is made once.
CREATE FUNCTION vk.enqueue_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_delivery (tenant_id, id, webhook_id, kind, payload, next_try_at, created_at)
  SELECT NEW.tenant_id, vk.new_id('msg'), w.id, NEW.kind, jsonb_build_object('type', NEW.kind,
      'timestamp', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'data', NEW.details || jsonb_build_object('notification', NEW.id, 'tenant', NEW.tenant_id, 'owner', NEW.user_id,
        'connection', NEW.connection_id, 'provider', NEW.provider_id)), NEW.created_at, NEW.created_at
  FROM webhook w WHERE w.tenant_id = NEW.tenant_id AND w.enabled;
  RETURN NULL;
END $$;
CREATE TRIGGER enqueue_messages AFTER INSERT ON notification FOR EACH ROW EXECUTE FUNCTION vk.enqueue_messages();

-- Whether a renewal moves the end of the grant, by at least half of the time since the one before. Where it does, the
-- schedule keeps the grant alive and nobody need be told; where not, the end is certain, and stays as it was first known:
-- upstreams count in whole seconds, and an end that wavers would be told again at each renewal.
CREATE FUNCTION vk.note_fixed_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- An end that moved back was moved by somebody: another lifetime in the provider's settings, not a fixed end.
  NEW.grant_fixed := coalesce(NEW.grant_expires_at > OLD.grant_expires_at - interval '5 minutes'
    AND NEW.grant_expires_at - OLD.grant_expires_at
      < (NEW.last_refresh_at - greatest(OLD.last_refresh_at, OLD.linked_at)) / 2, false);
  IF NEW.grant_fixed THEN
    NEW.grant_expires_at := OLD.grant_expires_at;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER note_fixed_end BEFORE UPDATE OF grant_expires_at ON connection FOR EACH ROW
  WHEN (NEW.token_version > OLD.token_version) EXECUTE FUNCTION vk.note_fixed_end();

-- A provider whose client is accepted again may raise its alarm again.
CREATE FUNCTION vk.rearm_alarm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE notification n SET dedupe_key = NULL
    WHERE n.tenant_id = NEW.tenant_id AND n.dedupe_key = 'client_refused:' || NEW.provider_id;
  RETURN NULL;
END $$;
CREATE TRIGGER rearm_alarm AFTER UPDATE OF failures ON upstream_pace FOR EACH ROW
  WHEN (OLD.failures > 0 AND NEW.failures = 0) EXECUTE FUNCTION vk.rearm_alarm();

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vk FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vk TO valetkey_app;
