-- A program asks its person for a link (docs/decisions/0076).

-- CreateTable
CREATE TABLE "link_request" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "connection_id" TEXT,
    "cause" TEXT NOT NULL,
    "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "subject" BYTEA NOT NULL,
    "grant_id" TEXT,
    "token_id" TEXT,
    "attempt_id" TEXT,
    "status" TEXT NOT NULL DEFAULT 'asked',
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "link_request_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE INDEX "link_request_tenant_id_user_id_idx" ON "link_request"("tenant_id", "user_id");

-- CreateIndex
CREATE INDEX "link_request_tenant_id_expires_at_idx" ON "link_request"("tenant_id", "expires_at");

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

-- However many calls ask at once.
CREATE UNIQUE INDEX link_request_open ON link_request (tenant_id, user_id, subject) WHERE status IN ('asked', 'accepted');
ALTER TABLE link_request ADD CONSTRAINT link_request_cause CHECK (cause IN ('link', 'reconnect', 'step_up'));
ALTER TABLE link_request ADD CONSTRAINT link_request_status
  CHECK (status IN ('asked', 'accepted', 'declined', 'cancelled', 'timed_out', 'completed'));

ALTER TABLE link_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE link_request FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON link_request USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON link_request TO valetkey_app;
