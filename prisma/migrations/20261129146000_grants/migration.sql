-- What a grant is ended with: its access tokens, and the tokens that were issued through it. Most of those have no grant.
CREATE INDEX "access_token_tenant_id_grant_id_idx" ON "access_token"("tenant_id", "grant_id");
CREATE INDEX issued_token_grant ON issued_token (tenant_id, grant_id, id) WHERE grant_id IS NOT NULL;
