-- What a grant is ended with: its access tokens, and the tokens that were issued through it. Most of those have no grant.
CREATE INDEX "access_token_tenant_id_grant_id_idx" ON "access_token"("tenant_id", "grant_id");
CREATE INDEX issued_token_grant ON issued_token (tenant_id, grant_id, id) WHERE grant_id IS NOT NULL;
-- A freeze, more of it and its end are told in its own transaction to everybody whom it stops. What is told is not worth
-- the freeze itself, so a failure here is only a warning.
CREATE OR REPLACE FUNCTION vk.tell_freeze() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE f public.freeze_fact%ROWTYPE;
BEGIN
  IF TG_OP = 'DELETE' THEN f := OLD; ELSE f := NEW; END IF;
  -- It was over by itself.
  IF TG_OP = 'DELETE' AND f.until <= vk_now() THEN RETURN NULL; END IF;
  INSERT INTO notification (tenant_id, id, user_id, kind, connection_id, provider_id, details, created_at)
  SELECT f.tenant_id, vk.new_id('ntf'), w.user_id, f.kind || CASE TG_OP WHEN 'DELETE' THEN '.unfrozen' ELSE '.frozen' END,
    w.connection_id, w.provider_id, jsonb_build_object('frozen', f.kind, 'target', f.target_id, 'reason', f.reason, 'until',
      to_char(f.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'projects', w.projects), vk_now()
  FROM (
    SELECT f.target_id AS user_id, NULL AS connection_id, NULL AS provider_id, '[]'::jsonb AS projects WHERE f.kind = 'member'
    UNION ALL
    SELECT c.user_id, c.id, c.provider_id, vk.project_references(c.tenant_id, c.id) FROM connection c
      WHERE f.kind = 'connection' AND c.tenant_id = f.tenant_id AND c.id = f.target_id
    UNION ALL
    SELECT DISTINCT c.user_id, NULL, p.provider_id, jsonb_build_array(jsonb_build_object('id', p.id, 'alias', p.alias))
      FROM project p JOIN connection_project l ON l.tenant_id = p.tenant_id AND l.project_id = p.id
      JOIN connection c ON c.tenant_id = l.tenant_id AND c.id = l.connection_id AND c.status <> 'revoked'
      WHERE f.kind = 'project' AND p.tenant_id = f.tenant_id AND p.id = f.target_id
    UNION ALL
    SELECT DISTINCT c.user_id, NULL, c.provider_id, '[]'::jsonb FROM connection c
      WHERE f.kind = 'provider' AND c.tenant_id = f.tenant_id AND c.provider_id = f.target_id AND c.status <> 'revoked'
    UNION ALL
    SELECT DISTINCT g.user_id, NULL, NULL, '[]'::jsonb FROM oauth_grant g
      WHERE g.tenant_id = f.tenant_id AND (f.kind = 'grant' AND g.id = f.target_id
        OR f.kind = 'client' AND g.client_id = f.target_id AND g.ended_at IS NULL)) w;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'a notification was not written: % %', SQLSTATE, SQLERRM;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.tell_freeze() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.tell_freeze() TO valetkey_app;
