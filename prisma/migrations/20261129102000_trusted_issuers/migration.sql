-- AlterTable
ALTER TABLE "member" ADD COLUMN     "tokens_after" TIMESTAMPTZ;

-- CreateTable
CREATE TABLE "trusted_issuer" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "client_id" TEXT,
    "client_secret" TEXT,
    "opaque" BOOLEAN NOT NULL DEFAULT false,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "trusted_issuer_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "trusted_client" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "issuer_id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "scopes" TEXT[],
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "trusted_client_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "trusted_issuer_refusal" (
    "tenant_id" TEXT NOT NULL,
    "issuer_id" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "client_id" TEXT,
    "at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "trusted_issuer_refusal_pkey" PRIMARY KEY ("tenant_id","issuer_id","reason")
);

-- CreateIndex
CREATE UNIQUE INDEX "trusted_issuer_tenant_id_issuer_key" ON "trusted_issuer"("tenant_id", "issuer");

-- CreateIndex
CREATE UNIQUE INDEX "trusted_client_tenant_id_issuer_id_client_id_key" ON "trusted_client"("tenant_id", "issuer_id", "client_id");

-- AddForeignKey
ALTER TABLE "trusted_client" ADD CONSTRAINT "trusted_client_tenant_id_issuer_id_fkey" FOREIGN KEY ("tenant_id", "issuer_id") REFERENCES "trusted_issuer"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trusted_issuer_refusal" ADD CONSTRAINT "trusted_issuer_refusal_tenant_id_issuer_id_fkey" FOREIGN KEY ("tenant_id", "issuer_id") REFERENCES "trusted_issuer"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

-- Tokens that name no issuer are shown to one place alone.
CREATE UNIQUE INDEX trusted_issuer_opaque ON trusted_issuer (tenant_id) WHERE opaque;
ALTER TABLE trusted_issuer ADD CONSTRAINT trusted_issuer_asked CHECK (client_id IS NOT NULL OR NOT opaque);
ALTER TABLE trusted_client ADD CONSTRAINT trusted_client_scopes CHECK (scopes <@ ARRAY['projects:read', 'connections:manage',
  'tokens:issue', 'tokens:revoke', 'tenant:read', 'tenant:manage', 'audit:read']);

ALTER TABLE trusted_issuer ENABLE ROW LEVEL SECURITY;
ALTER TABLE trusted_issuer FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trusted_issuer USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON trusted_issuer TO valetkey_app;

ALTER TABLE trusted_client ENABLE ROW LEVEL SECURITY;
ALTER TABLE trusted_client FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trusted_client USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON trusted_client TO valetkey_app;

ALTER TABLE trusted_issuer_refusal ENABLE ROW LEVEL SECURITY;
ALTER TABLE trusted_issuer_refusal FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trusted_issuer_refusal USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE ON trusted_issuer_refusal TO valetkey_app;

-- What a program may do that came with a token of a trusted issuer, under lock: whoever takes the issuer or the client away
-- either comes before, and NULL is answered, or waits until the act has committed.
CREATE OR REPLACE FUNCTION vk.incoming_hold(p_tenant text, p_issuer text, p_generation int, p_client text)
  RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  PERFORM 1 FROM trusted_issuer i WHERE i.tenant_id = p_tenant AND i.id = p_issuer FOR SHARE;
  PERFORM 1 FROM trusted_client c WHERE c.tenant_id = p_tenant AND c.id = p_client FOR SHARE;
  -- Read after the locks, as in vk.act_begin.
  RETURN (SELECT c.scopes FROM trusted_issuer i JOIN trusted_client c ON c.tenant_id = i.tenant_id AND c.issuer_id = i.id
    WHERE i.tenant_id = p_tenant AND i.id = p_issuer AND i.generation = p_generation AND c.id = p_client);
END $$;
REVOKE EXECUTE ON FUNCTION vk.incoming_hold(text, text, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.incoming_hold(text, text, int, text) TO valetkey_app;

-- Whose a verified token is, as things stand at this moment. No row: its issuer is trusted no more, or is judged in another
-- way by now. client is NULL where the client is not listed, user_id where nobody active in the tenant has this identity, or
-- where the token is not known to be newer than the moment from which theirs count again. A clock may be a minute off (J-07).
CREATE OR REPLACE FUNCTION vk.incoming_person(p_tenant text, p_issuer text, p_generation int, p_client text, p_subject text,
    p_issued timestamptz)
  RETURNS TABLE (client text, scopes text[], user_id text, name text, email text) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT c.id, c.scopes, m.user_id, u.name, u.email
    FROM trusted_issuer i
    LEFT JOIN trusted_client c ON c.tenant_id = i.tenant_id AND c.issuer_id = i.id AND c.client_id = p_client
    LEFT JOIN "user" u ON u.issuer = i.issuer AND u.subject = p_subject
    LEFT JOIN member m ON m.tenant_id = i.tenant_id AND m.user_id = u.id AND m.status = 'active'
      AND (m.tokens_after IS NULL OR p_issued > m.tokens_after + interval '60 seconds')
    WHERE i.tenant_id = p_tenant AND i.id = p_issuer AND i.generation = p_generation;
END $$;
REVOKE EXECUTE ON FUNCTION vk.incoming_person(text, text, int, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.incoming_person(text, text, int, text, text, timestamptz) TO valetkey_app;

-- What a tenant says about the issuer that a token names; p_issuer NULL: the token names none, and the one answers that is
-- asked about such tokens.
CREATE OR REPLACE FUNCTION vk.trusted_issuer(p_slug text, p_issuer text)
  RETURNS TABLE (tenant_id text, id text, issuer text, audience text, client_id text, client_secret text, generation int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_tenant text := lookup.tenant_by_slug(p_slug);
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(v_tenant, ''), true);
  RETURN QUERY SELECT i.tenant_id, i.id, i.issuer, i.audience, i.client_id, i.client_secret, i.generation FROM trusted_issuer i
    WHERE i.tenant_id = v_tenant AND (i.issuer = p_issuer OR p_issuer IS NULL AND i.opaque);
END $$;
REVOKE EXECUTE ON FUNCTION vk.trusted_issuer(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.trusted_issuer(text, text) TO valetkey_app;
