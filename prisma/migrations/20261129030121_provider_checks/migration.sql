-- CreateTable
CREATE TABLE "provider_check" (
    "tenant_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ NOT NULL,
    "checked_at" TIMESTAMPTZ,
    "checked_by" TEXT,
    "lines" JSONB NOT NULL DEFAULT '[]',
    "told" TEXT[],

    CONSTRAINT "provider_check_pkey" PRIMARY KEY ("tenant_id","provider_id")
);

-- AddForeignKey
ALTER TABLE "provider_check" ADD CONSTRAINT "provider_check_tenant_id_provider_id_fkey" FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "provider"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE provider_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_check FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON provider_check USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
CREATE POLICY lookup ON provider_check FOR SELECT TO vk_lookup USING (true);
GRANT SELECT, INSERT, UPDATE ON provider_check TO valetkey_app;
GRANT SELECT (tenant_id, provider_id, due_at) ON provider_check TO vk_lookup;

-- Providers whose daily check is due, or that were never put on the schedule; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_checks(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, c.due_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY c.due_at NULLS FIRST, r.id) AS turn
    FROM public.provider r LEFT JOIN public.provider_check c ON c.tenant_id = r.tenant_id AND c.provider_id = r.id
    WHERE c.due_at IS NULL OR c.due_at <= p_now) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.due_at NULLS FIRST LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
