-- CreateTable
CREATE TABLE "mcp_server" (
    "tenant_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "title" TEXT,
    "version" TEXT NOT NULL,
    "revision" TEXT NOT NULL,
    "seen_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "mcp_server_pkey" PRIMARY KEY ("tenant_id","project_id")
);

-- CreateTable
CREATE TABLE "mcp_tool" (
    "tenant_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "read_only" BOOLEAN NOT NULL,
    "destructive" BOOLEAN NOT NULL,
    "first_seen_at" TIMESTAMPTZ NOT NULL,
    "changed_at" TIMESTAMPTZ NOT NULL,
    "seen_at" TIMESTAMPTZ NOT NULL,
    "gone_at" TIMESTAMPTZ,
    "reviewed_hash" TEXT,
    "reviewed_by" TEXT,
    "reviewed_at" TIMESTAMPTZ,

    CONSTRAINT "mcp_tool_pkey" PRIMARY KEY ("tenant_id","project_id","name")
);

-- CreateTable
CREATE TABLE "mcp_use" (
    "tenant_id" TEXT NOT NULL,
    "holder_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "tool" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "calls" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,

    CONSTRAINT "mcp_use_pkey" PRIMARY KEY ("tenant_id","holder_id","project_id","tool","day")
);

-- CreateIndex
CREATE INDEX "mcp_use_tenant_id_project_id_day_idx" ON "mcp_use"("tenant_id", "project_id", "day");

-- CreateIndex
CREATE INDEX "mcp_use_day_idx" ON "mcp_use"("day");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE mcp_server ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_server FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mcp_server USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_server TO valetkey_app;

ALTER TABLE mcp_tool ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_tool FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mcp_tool USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_tool TO valetkey_app;

ALTER TABLE mcp_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_use FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mcp_use USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_use TO valetkey_app;
