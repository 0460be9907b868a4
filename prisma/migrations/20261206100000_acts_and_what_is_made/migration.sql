-- This is an empty migration.
-- Marks the next living tokens that an act of kind `held` means as revoked, at most p_limit, and writes their upstream work. They have
-- been dead here since the act committed: what they were made under is gone. Only what was made under an earlier generation of the
-- member is meant, so neither clocks nor what was issued since play a part. Two at once: one does it. An act before it on the same
-- member goes first: what that one ended is its own, in rows and receipts.
-- busy: another process is at it, or another act. done: nothing is left. The tenant is set.
CREATE OR REPLACE FUNCTION vk.end_batch(p_tenant text, p_act text, p_limit int, p_now timestamptz)
  RETURNS TABLE (ended int, done boolean, busy boolean) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
  a public.revocation_act%ROWTYPE;
  v_ids text[];
BEGIN
  ended := 0; done := false; busy := false;
  SELECT * INTO a FROM revocation_act r WHERE r.tenant_id = p_tenant AND r.id = p_act FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN busy := true; RETURN NEXT; RETURN; END IF;
  IF a.done_at IS NOT NULL THEN done := true; RETURN NEXT; RETURN; END IF;
  IF EXISTS (SELECT FROM revocation_act e WHERE e.tenant_id = p_tenant AND e.user_id = a.user_id AND e.generation < a.generation
      AND e.done_at IS NULL) THEN busy := true; RETURN NEXT; RETURN; END IF;
  -- The fifth generation of a token is its member's (vk.ground_now).
  v_ids := ARRAY(SELECT t.id FROM issued_token t WHERE t.tenant_id = p_tenant AND t.user_id = a.user_id AND t.status IN ('issuing', 'live')
    AND t.generation = 0 AND t.expires_at > p_now AND t.generations[5] < a.generation ORDER BY t.expires_at, t.id LIMIT p_limit);
  PERFORM 1 FROM issued_token t WHERE t.tenant_id = p_tenant AND t.id = ANY (v_ids) ORDER BY t.id FOR UPDATE;
  WITH marked AS (
    UPDATE issued_token t SET generation = 1, status = CASE t.status WHEN 'live' THEN 'revoked' ELSE t.status END,
        revoked_at = a.created_at, revoked_by = a.revoked_by
      WHERE t.tenant_id = p_tenant AND t.id = ANY (v_ids) AND t.status IN ('issuing', 'live') AND t.generation = 0
      RETURNING t.id, t.status, t.provider_id, t.connection_id, t.secret_hash),
  work AS (
    INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, token_id, act_id, next_try_at, created_at)
      SELECT p_tenant, vk.new_id('rev'), 'token', m.provider_id, m.connection_id, m.id, p_act, p_now, p_now FROM marked m
      WHERE m.connection_id IS NOT NULL AND m.secret_hash IS NULL)
  SELECT count(*) INTO ended FROM marked;
  done := cardinality(v_ids) < p_limit;
  UPDATE revocation_act r SET ended = r.ended + end_batch.ended, done_at = CASE WHEN end_batch.done THEN p_now END
    WHERE r.tenant_id = p_tenant AND r.id = p_act;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.end_batch(text, text, int, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.end_batch(text, text, int, timestamptz) TO valetkey_app;

-- Ends what a member holds in one tenant, however much it is: what they gave programs with the access tokens of it, the tokens that
-- are being made, and with p_connections what their connections hold (the caller makes the transition: store/connection-states.ts).
-- Upstream work goes with it; a sealed value goes as it is, for its header names the connection that it was taken from
-- (lib/vault/places.ts). Their tokens that live end with the generation of the member, which the caller raises in the same
-- transaction, and are marked in batches (vk.end_batch): counted here, touched there.
-- The member is locked, so nothing is issued or let in meanwhile; then grants, connections and tokens, each in id order. The tenant
-- is set. p_by: who ends it. p_act: the row of revocation_act that the work belongs to.
CREATE OR REPLACE FUNCTION vk.end_held(p_tenant text, p_user text, p_by text, p_act text, p_connections boolean, p_now timestamptz)
  RETURNS TABLE (grants int, connections int, tokens int) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.user_id = p_user AND o.ended_at IS NULL ORDER BY o.id
    FOR NO KEY UPDATE;
  DELETE FROM access_token a USING oauth_grant o WHERE o.tenant_id = p_tenant AND o.user_id = p_user AND o.ended_at IS NULL
    AND a.tenant_id = o.tenant_id AND a.grant_id = o.id;
  UPDATE oauth_grant o SET generation = o.generation + 1, ended_at = p_now, ended_by = p_by, end_cause = 'revoked'
    WHERE o.tenant_id = p_tenant AND o.user_id = p_user AND o.ended_at IS NULL AND (o.expires_at IS NULL OR o.expires_at > p_now);
  GET DIAGNOSTICS grants = ROW_COUNT;
  connections := 0;
  IF p_connections THEN
    PERFORM 1 FROM connection c WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.status <> 'revoked' ORDER BY c.id FOR UPDATE;
    GET DIAGNOSTICS connections = ROW_COUNT;
    INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, handle, act_id, next_try_at, created_at)
      SELECT p_tenant, vk.new_id('rev'), 'grant', c.provider_id, c.id, c.refresh_token, p_act, p_now, p_now FROM connection c
      WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.status <> 'revoked' AND c.refresh_token IS NOT NULL;
    -- What an issue that is cut off may leave is looked for by its nonce, because nobody else can ask that upstream any more: with
    -- the access token while it lives, else with the grant that is queued beside it. Two minutes: cutOffMilliseconds.
    INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, token_id, handle, act_id, state, last_error,
        next_try_at, created_at, finished_at)
      SELECT p_tenant, vk.new_id('rev'), 'orphans', t.provider_id, c.id, t.id, CASE WHEN c.access_expires_at > p_now THEN c.access_token END,
        p_act, CASE WHEN lost.is THEN 'impossible' ELSE 'pending' END, CASE WHEN lost.is THEN 'no_grant' END,
        CASE WHEN NOT lost.is THEN p_now END, p_now, CASE WHEN lost.is THEN p_now END
      FROM connection c JOIN issued_token t ON t.tenant_id = c.tenant_id AND t.connection_id = c.id,
        LATERAL (SELECT c.refresh_token IS NULL AND (c.access_token IS NULL OR c.access_expires_at <= p_now) AS is) lost
      WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.status <> 'revoked' AND t.status = 'issuing' AND t.secret_hash IS NULL
        AND (t.endless OR t.expires_at > p_now - interval '2 minutes');
  END IF;
  -- What an act before this one has ended is dead already, though its batches have not come to it.
  tokens := (SELECT count(*) FROM issued_token t WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.status IN ('issuing', 'live')
    AND t.generation = 0 AND t.expires_at > p_now AND t.generations[5] >= coalesce((SELECT max(e.generation) FROM revocation_act e
      WHERE e.tenant_id = p_tenant AND e.user_id = p_user AND e.done_at IS NULL), 0));
  PERFORM 1 FROM issued_token t WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.status = 'issuing' AND t.generation = 0
    ORDER BY t.id FOR UPDATE;
  -- Their work waits until it is known what was made (store/revocations.ts, awaitOthers).
  WITH making AS (
    UPDATE issued_token t SET generation = 1, revoked_at = p_now, revoked_by = p_by
      WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.status = 'issuing' AND t.generation = 0 AND t.expires_at > p_now
      RETURNING t.id, t.provider_id, t.connection_id)
  INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, token_id, act_id, next_try_at, created_at)
    SELECT p_tenant, vk.new_id('rev'), 'token', m.provider_id, m.connection_id, m.id, p_act, p_now, p_now FROM making m
    WHERE m.connection_id IS NOT NULL;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.end_held(text, text, text, text, boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.end_held(text, text, text, text, boolean, timestamptz) TO valetkey_app;
