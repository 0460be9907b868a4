-- CreateTable
CREATE TABLE "api_client" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "api_client_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_grant" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "oauth_grant_pkey" PRIMARY KEY ("tenant_id","id")
);

-- AlterTable
ALTER TABLE "issued_token" ADD COLUMN     "client_id" TEXT,
ADD COLUMN     "grant_id" TEXT,
ALTER COLUMN "connection_id" DROP NOT NULL;

-- CreateIndex
CREATE INDEX "api_client_tenant_id_idx" ON "api_client"("tenant_id");

-- CreateIndex
CREATE INDEX "oauth_grant_tenant_id_user_id_idx" ON "oauth_grant"("tenant_id", "user_id");

-- CreateIndex
CREATE INDEX "oauth_grant_client_id_idx" ON "oauth_grant"("client_id");

-- AddForeignKey
ALTER TABLE "oauth_grant" ADD CONSTRAINT "oauth_grant_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "api_client"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "issued_token" ADD CONSTRAINT "issued_token_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "api_client"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "issued_token" ADD CONSTRAINT "issued_token_tenant_id_grant_id_fkey" FOREIGN KEY ("tenant_id", "grant_id") REFERENCES "oauth_grant"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.
-- Processes of the version before go on beside this schema: they fill no new column, and their rows keep the seven
-- generations that they always had, which is what vk.generations answers for a token without client and grant. What they
-- insert, complete and revoke means the same to both. They would not read a token without connection; none is made yet.

ALTER TABLE issued_token
  ADD CONSTRAINT issued_token_connection CHECK ((strategy = 'sign') = (connection_id IS NULL)),
  ADD CONSTRAINT issued_token_grant CHECK (grant_id IS NULL OR client_id IS NOT NULL);

-- A client of the instance is seen and locked in every tenant, and written in none.
ALTER TABLE api_client ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_client FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_client USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
CREATE POLICY instance ON api_client FOR SELECT USING (tenant_id IS NULL);
-- What is locked FOR SHARE has to pass a policy for updates; the row that comes out of one passes none.
CREATE POLICY instance_lock ON api_client FOR UPDATE USING (tenant_id IS NULL) WITH CHECK (false);
GRANT SELECT, INSERT, DELETE, UPDATE (generation) ON api_client TO valetkey_app;

-- Foreign keys look past the policies; this one does not: a grant is for a client that its tenant sees.
ALTER TABLE oauth_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_grant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON oauth_grant USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), ''))
    AND EXISTS (SELECT FROM api_client c WHERE c.id = client_id));
GRANT SELECT, INSERT, DELETE, UPDATE (generation) ON oauth_grant TO valetkey_app;

-- The generations of what a token stands on now, in the order of issued_token.generations, which nothing else knows: its
-- own (none has been raised yet), connection, project, provider, member, tenant, instance, then client and grant. NULL for
-- p_connection (strategy sign), p_client and p_grant: it stands on none. NULL where something that is named is not there.
-- A token without client and grant has seven, as every one of the version before: both read each other's.
CREATE OR REPLACE FUNCTION vk.generations(p_tenant text, p_user text, p_project text, p_provider text, p_connection text,
    p_client text, p_grant text)
  RETURNS int[] LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN array_position(g.now, NULL) IS NULL THEN g.now END FROM (SELECT ARRAY[
      0,
      CASE WHEN p_connection IS NULL THEN 0
        ELSE (SELECT c.generation FROM connection c WHERE c.tenant_id = p_tenant AND c.id = p_connection) END,
      (SELECT p.generation FROM project p WHERE p.tenant_id = p_tenant AND p.id = p_project),
      (SELECT r.generation FROM provider r WHERE r.tenant_id = p_tenant AND r.id = p_provider),
      (SELECT m.generation FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user),
      (SELECT n.generation FROM tenant n WHERE n.id = p_tenant),
      (SELECT i.generation FROM instance i WHERE i.id = 1)]
    || CASE WHEN p_client IS NOT NULL THEN ARRAY[(SELECT a.generation FROM api_client a WHERE a.id = p_client)] END
    || CASE WHEN p_grant IS NOT NULL THEN ARRAY[(SELECT o.generation FROM oauth_grant o
         WHERE o.tenant_id = p_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client)] END AS now) g
$$;
REVOKE EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.generations(text, text, text, text, text, text, text) TO valetkey_app;
-- Whether everything that a token was made under still stands: nothing of it revoked or frozen, its member active. Its end
-- is not asked. What it stands on is locked first, in the order in which a revocation locks (connection before token), so
-- that a revocation or freeze either is seen here or waits for this transaction (A-03).
CREATE OR REPLACE FUNCTION vk.token_stands(p_tenant text, p_id text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE t public.issued_token%ROWTYPE;
BEGIN
  SELECT * INTO t FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id;
  PERFORM 1 FROM connection c WHERE c.tenant_id = p_tenant AND c.id = t.connection_id FOR SHARE;
  PERFORM 1 FROM project p WHERE p.tenant_id = p_tenant AND p.id = t.project_id FOR SHARE;
  PERFORM 1 FROM provider r WHERE r.tenant_id = p_tenant AND r.id = t.provider_id FOR SHARE;
  PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = t.user_id FOR SHARE;
  PERFORM 1 FROM tenant n WHERE n.id = p_tenant FOR SHARE;
  PERFORM 1 FROM api_client a WHERE a.id = t.client_id FOR SHARE;
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = t.grant_id FOR SHARE;
  PERFORM 1 FROM instance i WHERE i.id = 1 FOR SHARE;
  -- A statement of its own: it sees what was committed until the locks were there.
  RETURN EXISTS (SELECT FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id
      AND k.status IN ('issuing', 'live') AND k.generation = 0
      AND k.generations = vk.generations(k.tenant_id, k.user_id, k.project_id, k.provider_id, k.connection_id, k.client_id, k.grant_id))
    AND NOT EXISTS (SELECT FROM vk.frozen_by(p_tenant, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id]));
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_stands(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_stands(text, text) TO valetkey_app;
