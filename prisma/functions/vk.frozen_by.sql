-- What stops the use of a connection by its owner, or of a project or provider that somebody would link: the widest first,
-- then what lasts longest. p_connection: NULL where there is none yet. p_projects: those that matter; NULL: every one that
-- the connection reaches. Who is suspended or gone stops it like a freeze (kind membership). Nothing but
-- vk.freezes_on decides which freeze counts.
CREATE OR REPLACE FUNCTION vk.frozen_by(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[])
  RETURNS TABLE (kind text, target_id text, frozen_by text, frozen_at timestamptz, reason text, until timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_projects text[];
  v_now timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active') THEN
    kind := 'membership'; target_id := p_user;
    RETURN NEXT;
  END IF;
  -- Most tenants have none, and every use through the proxy asks.
  IF NOT EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = p_tenant) THEN RETURN; END IF;
  v_projects := coalesce(p_projects, ARRAY(SELECT l.project_id FROM connection_project l
    WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection));
  v_now := vk_now();
  RETURN QUERY SELECT f.kind, f.target_id, f.frozen_by, f.frozen_at, f.reason, f.until
    FROM vk.freezes_on(p_tenant, p_user, p_provider, p_connection, v_projects, NULL, NULL, v_now) f
    ORDER BY array_position(ARRAY['member', 'provider', 'project', 'connection'], f.kind), f.until DESC NULLS FIRST;
END $$;
REVOKE EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.frozen_by(text, text, text, text, text[]) TO valetkey_app;
