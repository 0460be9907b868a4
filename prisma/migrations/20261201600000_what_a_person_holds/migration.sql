-- What lives of a person, and beneath a connection, is counted in an index alone: what has ended is not read for it
-- (tests/long/growth.test.ts).
DROP INDEX issued_token_living_own;
CREATE INDEX issued_token_living_own ON issued_token (tenant_id, user_id, expires_at, id) INCLUDE (project_id, generation, last_used_at)
  WHERE status IN ('issuing', 'live');
CREATE INDEX "issued_token_tenant_id_connection_id_expires_at_idx" ON "issued_token"("tenant_id", "connection_id", "expires_at");
DROP INDEX "issued_token_tenant_id_connection_id_idx";
