-- What was reported as leaked, until it is ended. It precedes the tenant, as authorization_request does, and holds hashes alone.
CREATE TABLE "leak_report" (
    "id" TEXT NOT NULL,
    "forms" TEXT[],
    "hashes" BYTEA[],
    "address" TEXT,
    "agent" TEXT,
    "request_id" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "next_try_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "leak_report_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "leak_report_next_try_at_idx" ON "leak_report"("next_try_at");
ALTER TABLE leak_report ADD CONSTRAINT leak_report_entries
  CHECK (cardinality(forms) = cardinality(hashes) AND cardinality(forms) <= 100);
GRANT SELECT, INSERT, DELETE, UPDATE (next_try_at) ON leak_report TO valetkey_app;

-- Secrets of clients are found by their hash, which is all that somebody brings who found one.
CREATE INDEX "client_secret_secret_hash_idx" ON "client_secret"("secret_hash");
CREATE POLICY lookup ON client_secret FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, client_id, id, secret_hash) ON client_secret TO vk_lookup;

-- An upstream's token is known by its fingerprint alone.
CREATE INDEX IF NOT EXISTS issued_token_fingerprint ON issued_token (tenant_id, fingerprint) WHERE fingerprint IS NOT NULL;

-- Whose client secret it is that somebody reports: its hash is all that there is.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_by_secret(p_hash bytea) RETURNS TABLE (tenant_id text, client_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT s.tenant_id, s.client_id, s.id FROM public.client_secret s WHERE s.secret_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_by_secret(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_by_secret(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
