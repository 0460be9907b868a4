-- CreateTable
CREATE TABLE "mcp_offer" (
    "tenant_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "title" TEXT,
    "description" TEXT,
    "seen_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "mcp_offer_pkey" PRIMARY KEY ("tenant_id","project_id","kind","name")
);

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE mcp_offer ADD CONSTRAINT mcp_offer_kind CHECK (kind IN ('resource', 'template', 'prompt'));
ALTER TABLE mcp_offer ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_offer FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mcp_offer USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_offer TO valetkey_app;
