-- AlterTable
ALTER TABLE "connection" ADD COLUMN     "upstream_session" BYTEA;

-- AlterTable
ALTER TABLE "session" ADD COLUMN     "issuer_session" BYTEA;

-- CreateTable
CREATE TABLE "issuer_logout" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "registration" TEXT NOT NULL,
    "issuer_session" BYTEA,
    "subject" TEXT,
    "issued_at" TIMESTAMPTZ NOT NULL,
    "ends_offline" BOOLEAN NOT NULL,
    "kept_until" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "issuer_logout_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE INDEX "issuer_logout_tenant_id_registration_issuer_session_idx" ON "issuer_logout"("tenant_id", "registration", "issuer_session");

-- CreateIndex
CREATE INDEX "issuer_logout_tenant_id_registration_subject_idx" ON "issuer_logout"("tenant_id", "registration", "subject");

-- CreateIndex
CREATE INDEX "issuer_logout_tenant_id_kept_until_idx" ON "issuer_logout"("tenant_id", "kept_until");

-- CreateIndex
CREATE INDEX "provider_issuer_client_id_idx" ON "provider"("issuer", "client_id");

-- CreateIndex
CREATE INDEX "session_issuer_session_idx" ON "session"("issuer_session");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE issuer_logout ENABLE ROW LEVEL SECURITY;
ALTER TABLE issuer_logout FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON issuer_logout USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON issuer_logout TO valetkey_app;

GRANT SELECT (issuer, client_id) ON provider TO vk_lookup;
CREATE INDEX provider_alias ON provider ((settings ->> 'alias')) WHERE settings ->> 'alias' IS NOT NULL;

-- Which providers a logout token may concern: rows with its issuer, by either name, and one of the clients that it is for.
-- It names no tenant, and several may have the same row.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.providers_at(p_issuer text, p_clients text[]) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT r.tenant_id, r.id FROM public.provider r
    WHERE (r.issuer = p_issuer OR r.settings ->> 'alias' = p_issuer) AND r.client_id = ANY (p_clients) ORDER BY r.id;
END;
REVOKE EXECUTE ON FUNCTION lookup.providers_at(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.providers_at(text, text[]) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
