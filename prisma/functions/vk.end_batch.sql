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
