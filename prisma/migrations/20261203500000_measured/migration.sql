-- A selection is measured from the index alone: whose its tokens are, of which projects, how they were made, when they were used.
DROP INDEX issued_token_living_own;
CREATE INDEX issued_token_living_own ON issued_token (tenant_id, user_id, expires_at, id)
  INCLUDE (project_id, strategy, offline, generation, created_at, last_used_at) WHERE status IN ('issuing', 'live');

-- A person has tokens of few projects. Without this Postgres expects one of each person for each project, and sorts instead of counting.
CREATE STATISTICS issued_token_parts (ndistinct) ON tenant_id, user_id, project_id, strategy, offline FROM issued_token;

-- Tokens for the tenant's own APIs that somebody asked for themselves hang below nothing: a person's page counts them.
CREATE INDEX issued_token_living_alone ON issued_token (tenant_id, user_id, expires_at)
  WHERE connection_id IS NULL AND grant_id IS NULL AND status IN ('issuing', 'live');
