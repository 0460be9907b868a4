-- What the page of revocation is searched, filtered and sorted by (docs/decisions/0095). The table of tokens is rewritten once, for all
-- of it together: about a minute for a million tokens, during which none is issued.
-- Times by which pages go on have the precision that a program keeps of them: what it names as the last one is the last one.
ALTER TABLE "issued_token"
  ADD COLUMN "purpose_key" TEXT COLLATE "C" GENERATED ALWAYS AS (lower(purpose)) STORED,
  ALTER COLUMN "expires_at" TYPE TIMESTAMPTZ(3),
  ALTER COLUMN "last_used_at" TYPE TIMESTAMPTZ(3);
-- A column that a trigger waits for keeps its type.
DROP TRIGGER note_fixed_end ON connection;
ALTER TABLE "connection"
  ADD COLUMN "account_key" TEXT COLLATE "C" GENERATED ALWAYS AS (lower("left"(account_name, 200))) STORED,
  ALTER COLUMN "grant_expires_at" TYPE TIMESTAMPTZ(3),
  ALTER COLUMN "used_at" TYPE TIMESTAMPTZ(3);
CREATE TRIGGER note_fixed_end BEFORE UPDATE OF grant_expires_at ON connection FOR EACH ROW
  WHEN (NEW.token_version > OLD.token_version) EXECUTE FUNCTION vk.note_fixed_end();
ALTER TABLE "oauth_grant"
  ALTER COLUMN "expires_at" TYPE TIMESTAMPTZ(3),
  ALTER COLUMN "last_used_at" TYPE TIMESTAMPTZ(3);

-- Under row-level security an index serves what is compared, and nothing that is matched: LIKE is not leakproof. In the order of bytes
-- whatever begins alike stands together.
CREATE INDEX "issued_token_tenant_id_purpose_key_idx" ON "issued_token"("tenant_id", "purpose_key");
CREATE INDEX issued_token_upstream ON issued_token (tenant_id, upstream_id) WHERE upstream_id IS NOT NULL;
CREATE INDEX "issued_token_tenant_id_strategy_expires_at_idx" ON "issued_token"("tenant_id", "strategy", "expires_at");
CREATE INDEX "connection_tenant_id_account_key_idx" ON "connection"("tenant_id", "account_key");
CREATE INDEX "connection_tenant_id_account_id_idx" ON "connection"("tenant_id", "account_id");
