-- Everything that requests through the proxy stand on, in one call for all that came since the one before: whose token each
-- brings, whether it and all that it was made under stand now, and what its upstream is to be shown.
-- state: unknown | unproven (p_bound, whether it is sent as bound to a key, does not fit it) | elsewhere (it is for another
-- project than the address names) | live | ended | revoked | frozen. proof_key: thumbprint of the key that it is bound to.
-- p_seen: xmin of the provider row that the caller has read already, or ''. rules, settings: only where it has not.
-- access_token: sealed, while it lives longer than p_margin and its connection is usable. first: nobody has used the token.
-- touch: whether vk.connection_used is worth a call. Moments in milliseconds since 1970.
-- A hash precedes the tenant, which is set as soon as it is known, anew for each.
CREATE OR REPLACE FUNCTION vk.proxy_enter(p_hashes text[], p_slugs text[], p_projects text[], p_seen text[], p_bound boolean[],
    p_margin interval)
  RETURNS TABLE (state text, tenant_id text, token_id text, user_id text, project_id text, connection_id text, proof_key text,
    rules jsonb, provider_seen text, kind text, issuer text, settings jsonb, external_id text,
    access_token text, token_version int, refreshed_at float8, first boolean, touch boolean)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  t public.issued_token%ROWTYPE;
  c public.connection%ROWTYPE;
  v_now timestamptz;
  v_refreshed timestamptz;
BEGIN
  FOR i IN 1 .. cardinality(p_hashes) LOOP
    state := 'unknown'; proof_key := NULL; user_id := NULL; project_id := NULL; connection_id := NULL;
    rules := NULL; provider_seen := NULL; kind := NULL; issuer := NULL; settings := NULL; external_id := NULL;
    access_token := NULL; token_version := NULL; refreshed_at := NULL; first := NULL; touch := NULL;
    SELECT l.tenant_id, l.id INTO tenant_id, token_id FROM lookup.token_by_secret(decode(p_hashes[i], 'hex')) l;
    IF tenant_id IS NULL THEN RETURN NEXT; CONTINUE; END IF;
    PERFORM set_config('app.tenant_id', tenant_id, true);
    v_now := vk_now();
    SELECT * INTO t FROM issued_token k WHERE k.tenant_id = proxy_enter.tenant_id AND k.id = token_id;
    user_id := t.user_id; project_id := t.project_id; connection_id := t.connection_id;
    proof_key := t.proof_key;
    first := t.last_used_at IS NULL;
    IF p_bound[i] <> (proof_key IS NOT NULL) THEN state := 'unproven'; RETURN NEXT; CONTINUE; END IF;
    IF NOT EXISTS (SELECT FROM tenant n WHERE n.id = t.tenant_id AND n.slug = p_slugs[i])
      OR p_projects[i] <> t.project_id AND NOT EXISTS (SELECT FROM project_alias a
         WHERE a.tenant_id = t.tenant_id AND a.alias = p_projects[i] AND a.project_id = t.project_id) THEN
      state := 'elsewhere';
      RETURN NEXT; CONTINUE;
    END IF;
    state := vk.token_state(t);
    IF state <> 'live' THEN RETURN NEXT; CONTINUE; END IF;
    SELECT r.xmin::text, c.token_version, c.access_token, c.access_expires_at, c.status, c.used_at, c.last_refresh_at, c.linked_at
      INTO provider_seen, c.token_version, c.access_token, c.access_expires_at, c.status, c.used_at, c.last_refresh_at, c.linked_at
      FROM provider r JOIN connection c ON c.tenant_id = r.tenant_id
      WHERE r.tenant_id = t.tenant_id AND r.id = t.provider_id AND c.id = t.connection_id;
    IF provider_seen <> p_seen[i] THEN
      SELECT t.scopes_granted, r.kind, r.issuer, r.settings, p.external_id INTO rules, kind, issuer, settings, external_id
        FROM provider r JOIN project p ON p.tenant_id = r.tenant_id
        WHERE r.tenant_id = t.tenant_id AND r.id = t.provider_id AND p.id = t.project_id;
    END IF;
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
REVOKE EXECUTE ON FUNCTION vk.proxy_enter(text[], text[], text[], text[], boolean[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.proxy_enter(text[], text[], text[], text[], boolean[], interval) TO valetkey_app;
