-- Makes an issuing row live, if everything that it was made under still stands and who asked for it may still do so, in one of
-- p_roles. What it stands on stays locked, so a revocation or freeze either is seen here or comes after the completed token (A-03).
-- NULL: it lives, and its event is written. Otherwise nothing is: unauthenticated | not_found | forbidden (vk.act_hold) |
-- revoked_meanwhile | idempotency_running. p_made: columns that what came back fills. p_once: {id, claim, answer, seconds} or NULL:
-- the answer is kept with it, so a kill leaves no token whose answer is lost. p_event: {id, body}.
CREATE OR REPLACE FUNCTION vk.issue_complete(p_tenant text, p_user text, p_by jsonb, p_roles text[], p_id text, p_made jsonb,
    p_once jsonb, p_event jsonb, p_now timestamptz)
  RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  m public.issued_token%ROWTYPE := jsonb_populate_record(NULL::issued_token, p_made);
  v_refused text := vk.act_hold(p_tenant, p_user, p_by, p_roles);
BEGIN
  IF v_refused IS NOT NULL THEN RETURN v_refused; END IF;
  IF NOT vk.token_stands(p_tenant, p_id) THEN RETURN 'revoked_meanwhile'; END IF;
  IF p_once IS NOT NULL THEN
    PERFORM 1 FROM idempotency_key i WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND i.claim = p_once ->> 'claim' FOR UPDATE;
    IF NOT FOUND THEN RETURN 'idempotency_running'; END IF;
  END IF;
  -- Its own generation once more: a revocation of the token alone waits for nothing but its row.
  UPDATE issued_token k SET status = 'live', endless = false, upstream_id = m.upstream_id, handle = m.handle,
      fingerprint = m.fingerprint, scopes_granted = m.scopes_granted, expires_at = m.expires_at, revoke_at = m.revoke_at
    WHERE k.tenant_id = p_tenant AND k.id = p_id AND k.status = 'issuing' AND k.generation = 0;
  IF NOT FOUND THEN RETURN 'revoked_meanwhile'; END IF;
  IF p_once IS NOT NULL THEN PERFORM vk.idempotency_answer(p_tenant, p_once); END IF;
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, p_event ->> 'id', p_now, p_event -> 'body');
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_complete(text, text, jsonb, text[], text, jsonb, jsonb, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_complete(text, text, jsonb, text[], text, jsonb, jsonb, jsonb, timestamptz) TO valetkey_app;
