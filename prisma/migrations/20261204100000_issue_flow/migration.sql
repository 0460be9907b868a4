-- Everything that an issue is decided on, as it stood at one moment: STABLE, so all of it is read under one snapshot, and what
-- changes later raises a generation that is told here. It locks nothing: vk.issue_begin does, and asks again. Names are those of
-- lib/store/issuing.ts. p_project: an id or alias; p_audience: of the tenant's own, by its URI. project NULL: there is none that they see. connection NULL: they have linked none, or it needs none.
-- ceilings NULL: the grant is not there, or they act through none. keys: of an audience, with what it may sign. Moments in keys are
-- texts.
CREATE OR REPLACE FUNCTION vk.issue_ground(p_tenant text, p_user text, p_project text, p_audience text, p_client text,
    p_grant text, p_overseers text[])
  RETURNS TABLE (role text, status text, project jsonb, provider jsonb, connection jsonb, client jsonb, ceilings jsonb,
    generations int[], policies jsonb, frozen boolean, keys jsonb)
  LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
  v_tenant text := set_config('app.tenant_id', p_tenant, true);
  v_project text;
  v_provider text;
  v_connection text;
  v_own boolean;
  -- Generations: each is read with its row.
  g_member int;
  g_project int;
  g_provider int;
  g_tenant int;
  g_instance int;
  g_connection int;
  g_program int[] := '{}';
BEGIN
  SELECT m.role, m.status, m.generation INTO role, status, g_member FROM member m
    WHERE m.tenant_id = v_tenant AND m.user_id = p_user;
  IF p_client IS NOT NULL THEN
    SELECT jsonb_build_object('id', a.id, 'name', a.name), ARRAY[a.generation] INTO client, g_program
      FROM api_client a WHERE a.id = p_client;
    SELECT o.ceilings, g_program || o.generation INTO ceilings, g_program FROM oauth_grant o
      WHERE o.tenant_id = v_tenant AND o.id = p_grant AND o.user_id = p_user AND o.client_id = p_client;
  END IF;
  SELECT p.id, p.provider_id, p.settings IS NOT NULL, p.generation, jsonb_build_object('id', p.id, 'providerId', p.provider_id,
      'externalId', p.external_id, 'name', p.name, 'alias', p.alias, 'settings', p.settings)
    INTO v_project, v_provider, v_own, g_project, project FROM (
      SELECT n.* FROM vk.project_named(v_tenant, p_user, role = ANY (p_overseers), p_project) n
      UNION ALL SELECT a.* FROM project a JOIN provider r ON r.tenant_id = a.tenant_id AND r.id = a.provider_id AND r.kind = 'own'
        WHERE a.tenant_id = v_tenant AND a.external_id = p_audience AND a.removed_at IS NULL) p;
  IF v_project IS NULL THEN RETURN NEXT; RETURN; END IF;
  SELECT r.generation, n.generation, i.generation, jsonb_build_object('id', r.id, 'kind', r.kind, 'name', r.name, 'issuer', r.issuer,
      'callbackKey', r.callback_key, 'clientId', r.client_id, 'clientSecret', r.client_secret,
      'clientSecretBefore', r.client_secret_before, 'settings', r.settings)
    INTO g_provider, g_tenant, g_instance, provider FROM provider r, tenant n, instance i
    WHERE r.tenant_id = v_tenant AND r.id = v_provider AND n.id = v_tenant AND i.id = 1;
  IF v_own THEN
    keys := (SELECT jsonb_agg(jsonb_build_object('id', k.id, 'sealedPrivate', k.sealed_private, 'signsFrom', k.signs_from,
      'withdrawnAt', k.withdrawn_at)) FROM signing_key k WHERE k.tenant_id = v_tenant);
  ELSE
    SELECT c.id, c.generation, jsonb_build_object('id', c.id, 'accountId', c.account_id, 'status', c.status,
        'scopesGranted', c.scopes_granted, 'flow', c.flow, 'failures', c.failures, 'linkedAt', c.linked_at,
        'lastRefreshAt', c.last_refresh_at)
      INTO v_connection, g_connection, connection
      FROM connection_project l JOIN connection c ON c.tenant_id = l.tenant_id AND c.id = l.connection_id
      WHERE l.tenant_id = v_tenant AND l.project_id = v_project AND l.user_id = p_user AND c.user_id = p_user;
  END IF;
  -- In the order of vk.ground_now. NULL: something is not there.
  generations := ARRAY[0, coalesce(g_connection, 0), g_project, g_provider, g_member, g_tenant, g_instance] || g_program;
  IF array_position(generations, NULL) IS NOT NULL THEN generations := NULL; END IF;
  policies := (SELECT coalesce(jsonb_agg(jsonb_build_object('level', o.level, 'targetId', o.target_id,
      'maxLifetimeSeconds', o.max_lifetime_seconds, 'overLife', o.over_life, 'maxTokens', o.max_tokens, 'strategies', o.strategies,
      'linkRoles', o.link_roles, 'issueRoles', o.issue_roles, 'rights', o.rights, 'impersonation', o.impersonation)), '[]')
    FROM vk.policies_at(v_tenant, v_provider, v_project, p_user) o);
  -- Most tenants have no freeze at all.
  frozen := status IS DISTINCT FROM 'active' OR EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = v_tenant)
    AND EXISTS (SELECT FROM vk.frozen_by(v_tenant, p_user, v_provider, v_connection, ARRAY[v_project]));
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_ground(text, text, text, text, text, text, text[]) TO valetkey_app;
