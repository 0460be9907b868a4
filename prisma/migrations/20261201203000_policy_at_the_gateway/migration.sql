-- A later policy counts for grants that stand (docs/decisions/0086).

-- Everything that calls through the gateway of an MCP server stand on, in one statement for all that came since the one before:
-- whose token each brings, whether it and all that it was made under stand now, what it may do, and what its server is to be shown.
-- A token is one that was issued for the project (vk.proxy_enter tells more), or an access token of a grant for exactly this
-- resource, whose ceiling for the project is what it may do.
-- state: unknown | elsewhere (another project's, or of a grant that does not name it) | audience (an access token for another
-- resource, or a token that is bound to a key) | live | ended | revoked | frozen.
-- holder_id: the issued token or the grant. connection_id: NULL where its person has not linked the project.
-- p_seen: what the caller has read already, as `seen` told it, or ''. rights, settings, client_secret (sealed): only where it has not.
-- access_token: sealed, while it lives longer than p_margin and its connection is usable. first: nobody has used the holder.
-- touch: whether vk.connection_used is worth a call; touch_grant: vk.grant_used. Moments in milliseconds since 1970.
CREATE OR REPLACE FUNCTION vk.gateway_enter(p_hashes text[], p_slugs text[], p_projects text[], p_resources text[], p_seen text[],
    p_margin interval)
  RETURNS TABLE (state text, tenant_id text, holder_id text, is_grant boolean, user_id text, project_id text, provider_id text,
    connection_id text, connection_status text, scopes_granted text[], rights jsonb, seen text, kind text, issuer text,
    settings jsonb, client_secret text, external_id text, access_token text, token_version int, refreshed_at float8, first boolean, touch boolean,
    touch_grant boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  t public.issued_token%ROWTYPE;
  g public.oauth_grant%ROWTYPE;
  c public.connection%ROWTYPE;
  v_hash bytea;
  v_now timestamptz;
  v_refreshed timestamptz;
  v_resource text;
  v_key text;
BEGIN
  FOR i IN 1 .. cardinality(p_hashes) LOOP
    state := 'unknown'; holder_id := NULL; is_grant := false; user_id := NULL; project_id := NULL; provider_id := NULL;
    connection_id := NULL; connection_status := NULL; scopes_granted := NULL; rights := NULL; seen := NULL; kind := NULL;
    issuer := NULL; settings := NULL; client_secret := NULL; external_id := NULL; access_token := NULL; token_version := NULL; refreshed_at := NULL;
    first := NULL; touch := NULL; touch_grant := false;
    v_hash := decode(p_hashes[i], 'hex');
    SELECT l.tenant_id, l.id INTO tenant_id, holder_id FROM lookup.token_by_secret(v_hash) l;
    IF tenant_id IS NULL THEN
      SELECT l.tenant_id, l.grant_id INTO tenant_id, holder_id FROM lookup.grant_of_access(v_hash) l;
      is_grant := true;
    END IF;
    IF tenant_id IS NULL THEN RETURN NEXT; CONTINUE; END IF;
    PERFORM set_config('app.tenant_id', tenant_id, true);
    v_now := vk_now();
    IF is_grant THEN
      SELECT CASE WHEN a.generations IS DISTINCT FROM s.generations THEN 'revoked'
          WHEN a.expires_at <= v_now THEN 'ended' ELSE s.state END, a.resource, s.proof_key
        INTO state, v_resource, v_key
        FROM access_token a JOIN vk.grant_standing(gateway_enter.tenant_id, gateway_enter.holder_id, v_now) s ON true
        WHERE a.hash = v_hash;
      -- Deleted since it was looked up.
      IF NOT FOUND THEN state := 'revoked'; RETURN NEXT; CONTINUE; END IF;
      SELECT * INTO g FROM oauth_grant o WHERE o.tenant_id = gateway_enter.tenant_id AND o.id = holder_id;
      user_id := g.user_id; first := g.last_used_at IS NULL;
      touch_grant := g.last_used_at IS NULL OR g.last_used_at < v_now - interval '1 minute';
      IF v_resource IS DISTINCT FROM p_resources[i] OR v_key IS NOT NULL
        OR NOT EXISTS (SELECT FROM tenant n WHERE n.id = gateway_enter.tenant_id AND n.slug = p_slugs[i]) THEN
        state := 'audience'; RETURN NEXT; CONTINUE;
      END IF;
      -- Two may have one alias; the grant says which was meant.
      SELECT p.id, p.provider_id INTO project_id, provider_id FROM project_alias a
        JOIN project p ON p.tenant_id = a.tenant_id AND p.id = a.project_id AND p.removed_at IS NULL
        WHERE a.tenant_id = gateway_enter.tenant_id AND a.alias = p_projects[i] AND g.ceilings ? p.id
        ORDER BY a.created_at, p.id LIMIT 1;
      IF project_id IS NULL THEN state := 'elsewhere'; RETURN NEXT; CONTINUE; END IF;
      IF state <> 'live' THEN RETURN NEXT; CONTINUE; END IF;
      SELECT l.connection_id INTO connection_id FROM connection_project l
        WHERE l.tenant_id = gateway_enter.tenant_id AND l.user_id = g.user_id AND l.project_id = gateway_enter.project_id;
      IF EXISTS (SELECT FROM vk.frozen_by(tenant_id, user_id, provider_id, connection_id, ARRAY[project_id])) THEN
        state := 'frozen'; RETURN NEXT; CONTINUE;
      END IF;
    ELSE
      SELECT * INTO t FROM issued_token k WHERE k.tenant_id = gateway_enter.tenant_id AND k.id = holder_id;
      user_id := t.user_id; project_id := t.project_id; provider_id := t.provider_id; connection_id := t.connection_id;
      first := t.last_used_at IS NULL;
      -- The gateway asks for no proof, so one that needs it is none here (RFC 9449 7.2).
      IF t.proof_key IS NOT NULL THEN state := 'audience'; RETURN NEXT; CONTINUE; END IF;
      IF NOT EXISTS (SELECT FROM tenant n WHERE n.id = t.tenant_id AND n.slug = p_slugs[i])
        OR p_projects[i] <> t.project_id AND NOT EXISTS (SELECT FROM project_alias a
           WHERE a.tenant_id = t.tenant_id AND a.alias = p_projects[i] AND a.project_id = t.project_id) THEN
        state := 'elsewhere'; RETURN NEXT; CONTINUE;
      END IF;
      state := vk.token_state(t);
      IF state <> 'live' THEN RETURN NEXT; CONTINUE; END IF;
    END IF;
    -- Of a grant also what policy leaves of it now (docs/decisions/0086), which its caller reads when this changes.
    SELECT r.xmin::text || CASE WHEN is_grant THEN ' ' || (SELECT o.xmin::text FROM oauth_grant o
        WHERE o.tenant_id = gateway_enter.tenant_id AND o.id = holder_id) || coalesce((SELECT ' ' || m.role FROM member m
        WHERE m.tenant_id = gateway_enter.tenant_id AND m.user_id = g.user_id), '') || coalesce((SELECT ' ' || md5(string_agg(
          concat(k.level, '|', k.rights, '|', k.issue_roles, '|', k.strategies), ',' ORDER BY k.level))
        FROM vk.policies_at(gateway_enter.tenant_id, gateway_enter.provider_id, gateway_enter.project_id, g.user_id) k), '') ELSE '' END
      INTO seen FROM provider r WHERE r.tenant_id = gateway_enter.tenant_id AND r.id = gateway_enter.provider_id;
    IF seen <> p_seen[i] THEN
      SELECT CASE WHEN is_grant THEN coalesce(g.ceilings -> p.id -> 'proxy', '{}') ELSE t.scopes_granted END, r.kind, r.issuer, r.settings,
          r.client_secret, p.external_id
        INTO rights, kind, issuer, settings, client_secret, external_id
        FROM provider r JOIN project p ON p.tenant_id = r.tenant_id
        WHERE r.tenant_id = gateway_enter.tenant_id AND r.id = gateway_enter.provider_id AND p.id = gateway_enter.project_id;
    END IF;
    IF connection_id IS NULL THEN RETURN NEXT; CONTINUE; END IF;
    SELECT * INTO c FROM connection k WHERE k.tenant_id = gateway_enter.tenant_id AND k.id = gateway_enter.connection_id;
    connection_status := c.status; scopes_granted := c.scopes_granted;
    v_refreshed := greatest(c.last_refresh_at, c.linked_at);
    token_version := c.token_version; refreshed_at := extract(epoch FROM v_refreshed) * 1000;
    touch := c.used_at IS NULL OR c.used_at < v_now - interval '5 minutes';
    IF c.status IN ('linked', 'degraded', 'uncertain')
       AND c.access_expires_at > v_now + least(p_margin, (c.access_expires_at - v_refreshed) / 2) THEN
      access_token := c.access_token;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vk.gateway_enter(text[], text[], text[], text[], text[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.gateway_enter(text[], text[], text[], text[], text[], interval) TO valetkey_app;
