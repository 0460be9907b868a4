-- What is known of a token for one of the tenant's own audiences, by its hash alone, as it stands at this moment: what an
-- introspection tells, and what an exchange begins with. No row: there is none. state: live | ended | revoked | frozen; of one
-- that is verified without us it says what we vouch for, not what its verifiers take. client_id, grant_id: NULL for a person
-- at a browser. The hash precedes the tenant, which is set as soon as it is known.
CREATE OR REPLACE FUNCTION vk.signed_token(p_hash bytea)
  RETURNS TABLE (state text, tenant_id text, slug text, token_id text, user_id text, client_id text, grant_id text,
    project_id text, audience text, rights jsonb, offline boolean, issued_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE t public.issued_token%ROWTYPE;
BEGIN
  SELECT l.tenant_id, l.id INTO tenant_id, token_id FROM lookup.token_by_secret(p_hash) l;
  IF tenant_id IS NULL THEN RETURN; END IF;
  PERFORM set_config('app.tenant_id', tenant_id, true);
  SELECT * INTO t FROM issued_token k
    WHERE k.tenant_id = signed_token.tenant_id AND k.id = token_id AND k.strategy = 'sign';
  IF NOT FOUND THEN RETURN; END IF;
  state := vk.token_state(t);
  user_id := t.user_id; client_id := t.client_id; grant_id := t.grant_id; project_id := t.project_id;
  rights := t.scopes_granted; offline := t.offline; issued_at := t.created_at; expires_at := t.expires_at;
  SELECT n.slug INTO slug FROM tenant n WHERE n.id = t.tenant_id;
  SELECT p.external_id INTO audience FROM project p WHERE p.tenant_id = t.tenant_id AND p.id = t.project_id;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.signed_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.signed_token(bytea) TO valetkey_app;
