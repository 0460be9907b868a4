-- DropIndex
DROP INDEX "provider_tenant_id_issuer_client_id_key";

-- AlterTable
ALTER TABLE "attempt" ADD COLUMN     "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- AlterTable
ALTER TABLE "provider" ADD COLUMN     "removed_at" TIMESTAMPTZ,
ADD COLUMN     "resource" TEXT NOT NULL DEFAULT '';

-- CreateTable
CREATE TABLE "client_registration" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "handle" TEXT,
    "due_at" TIMESTAMPTZ,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "claim_until" TIMESTAMPTZ,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "client_registration_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE INDEX "client_registration_tenant_id_provider_id_idx" ON "client_registration"("tenant_id", "provider_id");

-- CreateIndex
CREATE INDEX "client_registration_due_at_idx" ON "client_registration"("due_at");

-- CreateIndex
CREATE UNIQUE INDEX "provider_tenant_id_issuer_client_id_resource_key" ON "provider"("tenant_id", "issuer", "client_id", "resource");

-- AddForeignKey
ALTER TABLE "client_registration" ADD CONSTRAINT "client_registration_tenant_id_provider_id_fkey" FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "provider"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE client_registration ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_registration FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON client_registration USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
CREATE POLICY lookup ON client_registration FOR SELECT TO vk_lookup USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON client_registration TO valetkey_app;
GRANT SELECT (tenant_id, id, due_at, claim_until) ON client_registration TO vk_lookup;
GRANT SELECT (removed_at) ON provider TO vk_lookup;


-- The tenant of a provider whose client is known by a document of ours: what its upstream reads before any tenant is known.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_document(p_provider text) RETURNS text LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT r.tenant_id FROM public.provider r
    WHERE r.id = p_provider AND r.settings #>> '{authorization,registration}' = 'metadata_document';
END;
REVOKE EXECUTE ON FUNCTION lookup.client_document(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_document(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Public keys that a provider's client signs with (RFC 7523): what its upstream reads before any tenant is known.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_keys(p_provider text) RETURNS jsonb LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT s.oauth -> 'keys' FROM public.provider r,
    -- An MCP server's row holds that of its authorization server.
    LATERAL (SELECT coalesce(r.settings #> '{authorization,oauth}', r.settings) AS oauth) s
    WHERE r.id = p_provider AND s.oauth ->> 'authentication' = 'private_key_jwt';
END;
REVOKE EXECUTE ON FUNCTION lookup.client_keys(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_keys(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Providers whose daily check is due, or that were never put on the schedule; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_checks(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, c.due_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY c.due_at NULLS FIRST, r.id) AS turn
    FROM public.provider r LEFT JOIN public.provider_check c ON c.tenant_id = r.tenant_id AND c.provider_id = r.id
    WHERE r.removed_at IS NULL AND (c.due_at IS NULL OR c.due_at <= p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.due_at NULLS FIRST LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Clients that are to be taken back and are due; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_registrations(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, r.due_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.due_at) AS turn
    FROM public.client_registration r
    WHERE r.due_at <= p_now AND (r.claim_until IS NULL OR r.claim_until < p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.due_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_registrations(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_registrations(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
