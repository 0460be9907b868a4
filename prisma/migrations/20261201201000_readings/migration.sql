-- CreateTable
CREATE TABLE "mcp_reading" (
    "tenant_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "read_at" TIMESTAMPTZ,
    "failed_since" TIMESTAMPTZ,
    "failed_at" TIMESTAMPTZ,
    "failure" TEXT,

    CONSTRAINT "mcp_reading_pkey" PRIMARY KEY ("tenant_id","project_id")
);

--- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE mcp_reading ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_reading FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mcp_reading USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_reading TO valetkey_app;

-- Of before: the moment at which a tool was seen last is the least that is known.
INSERT INTO mcp_reading (tenant_id, project_id, read_at)
SELECT tenant_id, project_id, max(seen_at) FROM mcp_tool WHERE gone_at IS NULL GROUP BY tenant_id, project_id;
