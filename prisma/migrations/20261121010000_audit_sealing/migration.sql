-- CreateTable
CREATE TABLE "audit_tip" (
    "tenant_id" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_tip_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateTable
CREATE TABLE "audit_head" (
    "tenant_id" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,
    "signed_at" TIMESTAMPTZ NOT NULL,
    "jws" TEXT NOT NULL,

    CONSTRAINT "audit_head_pkey" PRIMARY KEY ("tenant_id","seq")
);

-- CreateTable
CREATE TABLE "audit_key" (
    "id" TEXT NOT NULL,
    "public_jwk" JSONB NOT NULL,
    "sealed_private" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "retired_at" TIMESTAMPTZ,

    CONSTRAINT "audit_key_pkey" PRIMARY KEY ("id")
);

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it, tests/integration/audit.test.ts does.

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['audit_tip', 'audit_head'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''app.tenant_id'', true), '''')))', t);
  END LOOP;
END $$;
-- The app reads tips and only ever adds heads: what it could change it could also forge.
GRANT SELECT ON audit_tip TO valetkey_app;
GRANT SELECT, INSERT ON audit_head TO valetkey_app;
GRANT SELECT, INSERT, UPDATE (sealed_private, retired_at) ON audit_key TO valetkey_app;
-- One key signs at a time, however many instances boot at once.
CREATE UNIQUE INDEX audit_key_current ON audit_key ((retired_at IS NULL)) WHERE retired_at IS NULL;

-- The sealer: sees the events of every tenant, and of an event may write nothing but its place in the chain.
GRANT SELECT, UPDATE (seq, hash) ON audit_event TO vk_sealer;
CREATE POLICY sealer_reads ON audit_event FOR SELECT TO vk_sealer USING (true);
CREATE POLICY sealer_seals ON audit_event FOR UPDATE TO vk_sealer USING (seq IS NULL) WITH CHECK (seq IS NOT NULL);
GRANT SELECT, INSERT, UPDATE ON audit_tip TO vk_sealer;
CREATE POLICY sealer ON audit_tip TO vk_sealer USING (true);
GRANT SELECT (tenant_id, seq, signed_at) ON audit_head TO vk_sealer;
CREATE POLICY sealer ON audit_head FOR SELECT TO vk_sealer USING (true);

CREATE SCHEMA sealing;
GRANT USAGE ON SCHEMA sealing TO valetkey_app, vk_sealer;
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;

-- An event's hash: SHA-256 over these lines, joined by LF, in UTF-8. The body is what jsonb prints, which has no line
-- break and is exported as it is, so that a verifier hashes the very same bytes (lib/audit/verify.ts).
CREATE FUNCTION sealing.event_hash(p_previous bytea, p_tenant text, p_seq bigint, p_id text, p_at timestamptz, p_body jsonb)
  RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(concat_ws(E'\n', 'valetkey-audit-1', encode(p_previous, 'hex'), p_tenant, p_seq::text, p_id,
    to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_body::text), 'UTF8'))
$$;

-- Chains what is committed, tenant by tenant and in the order of ids. An event that commits late, with an id below the
-- tip's, comes next: seq is the order of sealing. Any process may call; one at a time does it, and a lock of the
-- transaction ends with it, also behind a pooler. Answers how many, or -1 while another one is at it.
CREATE FUNCTION sealing.audit_seal(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  e record;
  v_tenant text;
  v_seq bigint;
  v_hash bytea;
  v_sealed int := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('valetkey.audit_seal')) THEN RETURN -1; END IF;
  FOR e IN SELECT a.tenant_id, a.id, a.at, a.body FROM public.audit_event a WHERE a.seq IS NULL
      ORDER BY a.tenant_id, a.id LIMIT p_limit LOOP
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
    UPDATE public.audit_event a SET seq = v_seq, hash = v_hash WHERE a.tenant_id = v_tenant AND a.id = e.id;
    v_sealed := v_sealed + 1;
  END LOOP;
  UPDATE public.audit_tip t SET seq = v_seq, hash = v_hash WHERE t.tenant_id = v_tenant;
  RETURN v_sealed;
END $$;

-- What is committed and not chained yet, over all tenants.
CREATE FUNCTION sealing.audit_tail() RETURNS TABLE (unsealed bigint, oldest_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT count(*), min(a.at) FROM public.audit_event a WHERE a.seq IS NULL;
END;

-- Tenants whose chain has grown since its last signature, which is older than p_before or p_events behind.
CREATE FUNCTION sealing.heads_due(p_before timestamptz, p_events int, p_limit int) RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT t.tenant_id FROM public.audit_tip t
    LEFT JOIN LATERAL (SELECT h.seq, h.signed_at FROM public.audit_head h WHERE h.tenant_id = t.tenant_id
      ORDER BY h.seq DESC LIMIT 1) AS last ON true
  WHERE t.seq > coalesce(last.seq, 0)
    AND (last.seq IS NULL OR last.signed_at <= p_before OR t.seq >= last.seq + p_events)
  LIMIT p_limit;
END;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA sealing FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.audit_seal(int), sealing.audit_tail(), sealing.heads_due(timestamptz, int, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;

-- What is sealed stays. This binds every role that has not first taken the trigger away, the sealer included.
CREATE FUNCTION sealing.refuse_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit event %/% is sealed', OLD.tenant_id, OLD.seq USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION sealing.refuse_sealed() FROM PUBLIC;
CREATE TRIGGER audit_event_sealed BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW
  WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION sealing.refuse_sealed();
