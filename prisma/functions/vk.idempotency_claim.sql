-- Asks, before anything is done, whether a key was used (docs/decisions/0059). The row is locked, so that of any number at once
-- one goes on. outcome: claimed (go on) | running (somebody is at it, or what a cut-off try made is not ended yet) | other
-- (something else was asked with it) | answered (the same answer again) | spent (it was done; its answer is not kept any more,
-- or the token is over).
CREATE OR REPLACE FUNCTION vk.idempotency_claim(p_tenant text, p_id text, p_request bytea, p_claim text, p_lease interval,
    p_kept interval)
  RETURNS TABLE (outcome text, answer text, token text, seconds int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  k public.idempotency_key%ROWTYPE;
  v_now timestamptz;
  v_token text;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO idempotency_key (tenant_id, id, request, claim, claimed_until, expires_at)
    VALUES (p_tenant, p_id, p_request, p_claim, vk_now() + p_lease, vk_now() + p_kept) ON CONFLICT DO NOTHING;
  IF FOUND THEN outcome := 'claimed'; RETURN NEXT; RETURN; END IF;
  SELECT * INTO k FROM idempotency_key i WHERE i.tenant_id = p_tenant AND i.id = p_id FOR UPDATE;
  v_now := vk_now();
  SELECT CASE WHEN t.status = 'issuing' THEN 'issuing'
      WHEN t.status = 'live' AND t.generation = 0 AND t.expires_at > v_now THEN 'live' ELSE 'over' END
    INTO v_token FROM issued_token t WHERE t.tenant_id = p_tenant AND t.id = k.token_id;
  token := k.token_id;
  -- How old the answer is, or the try.
  seconds := ceil(extract(epoch FROM v_now - coalesce(k.answered_at, k.claimed_until - p_lease)));
  outcome := CASE
    WHEN k.id IS NULL THEN 'running'
    WHEN k.expires_at <= v_now THEN 'claimed'
    WHEN k.request <> p_request THEN 'other'
    WHEN k.answer_until > v_now AND (k.token_id IS NULL OR v_token = 'live') THEN 'answered'
    WHEN k.answered_at IS NOT NULL OR v_token = 'live' THEN 'spent'
    WHEN v_token = 'issuing' OR k.token_id IS NULL AND k.claimed_until > v_now THEN 'running'
    -- It was cut off before it made anything, or what it made is ended.
    ELSE 'claimed' END;
  IF outcome = 'answered' THEN answer := k.answer;
  ELSIF outcome = 'claimed' THEN
    UPDATE idempotency_key i SET request = p_request, claim = p_claim, claimed_until = v_now + p_lease, token_id = NULL,
        answered_at = NULL, answer = NULL, answer_until = NULL, expires_at = v_now + p_kept
      WHERE i.tenant_id = p_tenant AND i.id = p_id;
  END IF;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_claim(text, text, bytea, text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_claim(text, text, bytea, text, interval, interval) TO valetkey_app;
