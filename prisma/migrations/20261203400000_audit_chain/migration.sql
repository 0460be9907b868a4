-- The chain leaves audit_event (docs/decisions/0112): writing an event's place into its row wrote all of its indices anew.

-- CreateTable
CREATE TABLE "audit_unsealed" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "audit_unsealed_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "audit_chain" (
    "tenant_id" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "event_id" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_chain_pkey" PRIMARY KEY ("tenant_id","seq")
);

-- CreateIndex
CREATE UNIQUE INDEX "audit_chain_tenant_id_event_id_key" ON "audit_chain"("tenant_id", "event_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['audit_unsealed', 'audit_chain'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''app.tenant_id'', true), '''')))', t);
    EXECUTE format('CREATE POLICY sealer ON %I TO vk_sealer USING (true)', t);
  END LOOP;
END $$;
-- The app reads both: what it could write it could also forge, and an event that it took out of the queue nobody would miss.
GRANT SELECT ON audit_unsealed, audit_chain TO valetkey_app;
GRANT SELECT, INSERT, DELETE ON audit_unsealed TO vk_sealer;
GRANT SELECT, INSERT ON audit_chain TO vk_sealer;
GRANT SELECT ON audit_unsealed TO vk_lookup;
CREATE POLICY gauges ON audit_unsealed FOR SELECT TO vk_lookup USING (true);

-- One row a gauge and combination of labels; `oldest` is when the oldest of them began to wait. Answers:
-- connections (label: status) | cooldowns | refreshes_due | revocations (label: state) | issues_unfinished |
-- audit_unsealed | audit_outbox. A frozen connection counts as that, whatever its status beneath, unless it is revoked.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.gauges(p_now timestamptz)
  RETURNS TABLE (gauge text, kind text, label text, amount bigint, oldest timestamptz)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  WITH freezes AS (SELECT f.tenant_id, f.kind, f.target_id FROM public.freeze_fact f WHERE f.until IS NULL OR f.until > p_now),
  told AS (
    SELECT p.kind, c.status, c.refresh_due_at, (c.tenant_id, c.id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'connection')
      OR (c.tenant_id, c.provider_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'provider')
      OR (c.tenant_id, c.user_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'member')
      OR (c.tenant_id, c.id) IN (SELECT l.tenant_id, l.connection_id FROM freezes f JOIN public.connection_project l
        ON l.tenant_id = f.tenant_id AND l.project_id = f.target_id WHERE f.kind = 'project')
      OR (c.tenant_id, c.user_id) NOT IN (SELECT m.tenant_id, m.user_id FROM public.member m WHERE m.status = 'active') AS frozen
    FROM public.connection c JOIN public.provider p ON p.tenant_id = c.tenant_id AND p.id = c.provider_id),
  held AS (
    SELECT t.kind, CASE WHEN t.frozen AND t.status <> 'revoked' THEN 'frozen' ELSE t.status END AS status, t.refresh_due_at,
      t.status IN ('linked', 'degraded', 'uncertain') AND NOT t.frozen AS alive FROM told t)
  SELECT 'connections', h.kind, h.status, count(*), NULL::timestamptz FROM held h GROUP BY h.kind, h.status
  UNION ALL
  SELECT 'cooldowns', p.kind, NULL, count(*), NULL FROM public.upstream_pace u
    JOIN public.provider p ON p.tenant_id = u.tenant_id AND p.id = u.provider_id WHERE u.paused_until > p_now GROUP BY p.kind
  UNION ALL
  SELECT 'refreshes_due', h.kind, NULL, count(*), min(h.refresh_due_at) FROM held h
    WHERE h.alive AND h.refresh_due_at <= p_now GROUP BY h.kind
  UNION ALL
  SELECT 'revocations', NULL, r.state, count(*), min(r.created_at) FROM public.upstream_revocation r
    WHERE r.state IN ('pending', 'failed') GROUP BY r.state
  UNION ALL
  SELECT 'issues_unfinished', NULL, NULL, count(*), min(t.created_at) FROM public.issued_token t WHERE t.status = 'issuing'
  UNION ALL
  SELECT 'audit_unsealed', NULL, NULL, count(*), min(q.at) FROM public.audit_unsealed q
  UNION ALL
  SELECT 'audit_outbox', NULL, NULL, count(*), min(o.at) FROM public.audit_outbox o;
END;
REVOKE EXECUTE ON FUNCTION lookup.gauges(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.gauges(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Chains what is committed, tenant by tenant and in the order of ids. An event that commits late, with an id below the
-- tip's, comes next: seq is the order of sealing. Any process may call; one at a time does it, and a lock of the
-- transaction ends with it, also behind a pooler. Answers how many, or -1 while another one is at it.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.audit_seal(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  e record;
  v_tenant text;
  v_seq bigint;
  v_hash bytea;
  v_sealed int := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('valetkey.audit_seal')) THEN RETURN -1; END IF;
  FOR e IN WITH taken AS (
      DELETE FROM public.audit_unsealed q USING (
        SELECT w.tenant_id, w.id FROM public.audit_unsealed w ORDER BY w.tenant_id, w.id LIMIT p_limit) w
      WHERE q.tenant_id = w.tenant_id AND q.id = w.id RETURNING q.tenant_id, q.id)
    SELECT a.tenant_id, a.id, a.at, a.body FROM taken JOIN public.audit_event a USING (tenant_id, id) ORDER BY a.tenant_id, a.id LOOP
    IF e.tenant_id IS DISTINCT FROM v_tenant THEN
      UPDATE public.audit_tip t SET seq = v_seq, hash = v_hash WHERE t.tenant_id = v_tenant;
      v_tenant := e.tenant_id;
      INSERT INTO public.audit_tip (tenant_id, seq, hash) VALUES (v_tenant, 0, decode(repeat('00', 32), 'hex'))
        ON CONFLICT DO NOTHING;
      -- Locked as well: whoever took another way to here still finds the newest tip.
      SELECT t.seq, t.hash INTO v_seq, v_hash FROM public.audit_tip t WHERE t.tenant_id = v_tenant FOR UPDATE;
    END IF;
    v_seq := v_seq + 1;
    v_hash := sealing.event_hash(v_hash, v_tenant, v_seq, e.id, e.at, e.body);
    INSERT INTO public.audit_chain (tenant_id, seq, event_id, hash) VALUES (v_tenant, v_seq, e.id, v_hash);
    v_sealed := v_sealed + 1;
  END LOOP;
  UPDATE public.audit_tip t SET seq = v_seq, hash = v_hash WHERE t.tenant_id = v_tenant;
  RETURN v_sealed;
END $$;
REVOKE EXECUTE ON FUNCTION sealing.audit_seal(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.audit_seal(int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;

-- What is committed and not chained yet, over all tenants.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.audit_tail() RETURNS TABLE (unsealed bigint, oldest_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT count(*), min(q.at) FROM public.audit_unsealed q;
END;
REVOKE EXECUTE ON FUNCTION sealing.audit_tail() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.audit_tail() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;

-- Each event waits for the sealer from the statement that writes it. As the sealer, because the app could otherwise take an event
-- out of the queue, and no chain would ever miss it.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.await_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.audit_unsealed (tenant_id, id, at) SELECT a.tenant_id, a.id, a.at FROM added a;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION sealing.await_seal() FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;

-- What is appended stays: events, sealed or not, and their chain. This binds every role that has not first taken the trigger
-- away, the sealer included.
CREATE OR REPLACE FUNCTION sealing.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION sealing.refuse_change() FROM PUBLIC;

-- Nothing is written while the chain moves. The columns stay for a release: Prisma's client of the version before names them.
LOCK TABLE audit_event IN SHARE ROW EXCLUSIVE MODE;
SET ROLE vk_sealer;
INSERT INTO audit_chain (tenant_id, seq, event_id, hash) SELECT tenant_id, seq, id, hash FROM audit_event WHERE seq IS NOT NULL;
INSERT INTO audit_unsealed (tenant_id, id, at) SELECT tenant_id, id, at FROM audit_event WHERE seq IS NULL;
-- Asked of the table's owner when the trigger is made, and of nobody when it fires.
GRANT EXECUTE ON FUNCTION sealing.await_seal() TO valetkey_owner;
RESET ROLE;
DROP INDEX audit_event_unsealed, audit_event_seq;
DROP POLICY gauges ON audit_event;
DROP POLICY sealer_seals ON audit_event;
REVOKE SELECT (seq, at) ON audit_event FROM vk_lookup;
REVOKE UPDATE (seq, hash) ON audit_event FROM vk_sealer;
DROP TRIGGER audit_event_sealed ON audit_event;
DROP FUNCTION sealing.refuse_sealed();
CREATE TRIGGER audit_event_stays BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION sealing.refuse_change();
CREATE TRIGGER audit_chain_stays BEFORE UPDATE OR DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION sealing.refuse_change();
CREATE TRIGGER await_seal AFTER INSERT ON audit_event REFERENCING NEW TABLE AS added FOR EACH STATEMENT
  EXECUTE FUNCTION sealing.await_seal();
SET ROLE vk_sealer;
REVOKE EXECUTE ON FUNCTION sealing.await_seal() FROM valetkey_owner;
RESET ROLE;
