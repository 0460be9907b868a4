-- What stands, in the orders of the page of revocation: what ends soonest (tokens: issued_token_living), what was used last.
CREATE INDEX issued_token_living_used ON issued_token (tenant_id, last_used_at DESC NULLS LAST, id DESC)
  WHERE status IN ('issuing', 'live');
CREATE INDEX connection_standing_ends ON connection (tenant_id, grant_expires_at, id) WHERE status <> 'revoked';
CREATE INDEX connection_standing_used ON connection (tenant_id, used_at DESC NULLS LAST, id DESC) WHERE status <> 'revoked';
CREATE INDEX oauth_grant_open_ends ON oauth_grant (tenant_id, expires_at, id) WHERE ended_at IS NULL;
CREATE INDEX oauth_grant_open_used ON oauth_grant (tenant_id, last_used_at DESC NULLS LAST, id DESC) WHERE ended_at IS NULL;
-- By end within a tenant: across all of them, a tenant that has little reads what the others have.
CREATE INDEX "issued_token_tenant_id_expires_at_id_idx" ON "issued_token"("tenant_id", "expires_at", "id");
DROP INDEX "issued_token_expires_at_idx";
