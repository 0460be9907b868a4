-- Writes the row of a token that is about to be made, or with status live one that is made with it, and its events: under lock, and
-- only if who asks may do so now in the role for which it was decided. NULL: it is written. Otherwise why not, and nothing is:
-- unauthenticated | not_found | forbidden (vk.act_hold) | changed (what was to sign it does so no more) | too_many_tokens |
-- token_outstanding (nothing else may be made at its connection until then) | revoked_meanwhile | idempotency_running (another try
-- holds the key by now).
-- p_token: columns of the row; its generations are those of what it was decided on. p_most: living tokens that the member may hold.
-- p_signer: the key that has signed it, or NULL. p_once: {id, claim} of an idempotency key or NULL; {answer, seconds} where the token
-- is made with its row. p_events: [{id, body}].
CREATE OR REPLACE FUNCTION vk.issue_begin(p_tenant text, p_user text, p_by jsonb, p_role text, p_token jsonb, p_most int,
    p_signer text, p_once jsonb, p_events jsonb, p_now timestamptz)
  RETURNS TABLE (outcome text, until timestamptz) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE t public.issued_token%ROWTYPE := jsonb_populate_record(NULL::issued_token, p_token);
BEGIN
  t.tenant_id := p_tenant; t.user_id := p_user;
  outcome := vk.act_hold(p_tenant, p_user, p_by, ARRAY[p_role]);
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  -- One issue of a member at a time, so that what is counted and looked for holds in a race.
  PERFORM pg_advisory_xact_lock(hashtextextended(format('issue %s %s', p_tenant, p_user), 0));
  IF (SELECT count(*) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.user_id = p_user AND k.status IN ('issuing', 'live')
      AND k.expires_at > p_now) >= p_most THEN
    outcome := 'too_many_tokens';
    RETURN NEXT; RETURN;
  END IF;
  IF t.exclusive THEN
    until := (SELECT max(k.expires_at) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.connection_id = t.connection_id
      AND k.exclusive AND k.status IN ('issuing', 'live') AND k.generation = 0 AND k.expires_at > p_now);
    IF until IS NOT NULL THEN outcome := 'token_outstanding'; RETURN NEXT; RETURN; END IF;
  END IF;
  IF p_signer IS NOT NULL THEN
    PERFORM 1 FROM signing_key k WHERE k.tenant_id = p_tenant AND k.id = p_signer AND k.withdrawn_at IS NULL FOR SHARE;
    IF NOT FOUND THEN outcome := 'changed'; RETURN NEXT; RETURN; END IF;
  END IF;
  IF t.status = 'live' AND NOT coalesce(vk.ground_stands(t), false) THEN
    outcome := 'revoked_meanwhile';
    RETURN NEXT; RETURN;
  END IF;
  IF p_once IS NOT NULL THEN
    UPDATE idempotency_key i SET token_id = t.id WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND i.claim = p_once ->> 'claim';
    IF NOT FOUND THEN outcome := 'idempotency_running'; RETURN NEXT; RETURN; END IF;
    PERFORM vk.idempotency_answer(p_tenant, p_once);
  END IF;
  INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, client_id, grant_id, strategy, status, nonce,
      purpose, scopes_asked, scopes_granted, fingerprint, secret_hash, proof_key, offline, generations, expires_at, endless, exclusive,
      created_at)
    VALUES (t.tenant_id, t.id, t.user_id, t.project_id, t.connection_id, t.provider_id, t.client_id, t.grant_id, t.strategy, t.status,
      t.nonce, t.purpose, t.scopes_asked, t.scopes_granted, t.fingerprint, t.secret_hash, t.proof_key, t.offline, t.generations,
      t.expires_at, t.endless, t.exclusive, t.created_at);
  INSERT INTO audit_event (tenant_id, id, at, body)
    SELECT p_tenant, e.id, p_now, e.body FROM jsonb_to_recordset(p_events) AS e(id text, body jsonb);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.issue_begin(text, text, jsonb, text, jsonb, int, text, jsonb, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.issue_begin(text, text, jsonb, text, jsonb, int, text, jsonb, jsonb, timestamptz) TO valetkey_app;
