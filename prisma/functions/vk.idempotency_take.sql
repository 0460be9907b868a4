-- Takes a key for a try of somebody who may act now, or says why not: outcomes of vk.act_hold, then of vk.idempotency_claim.
CREATE OR REPLACE FUNCTION vk.idempotency_take(p_tenant text, p_user text, p_by jsonb, p_roles text[], p_id text, p_request bytea,
    p_claim text, p_lease interval, p_kept interval)
  RETURNS TABLE (outcome text, answer text, token text, seconds int) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
  outcome := vk.act_hold(p_tenant, p_user, p_by, p_roles);
  IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  RETURN QUERY SELECT c.outcome, c.answer, c.token, c.seconds
    FROM vk.idempotency_claim(p_tenant, p_id, p_request, p_claim, p_lease, p_kept) c;
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) TO valetkey_app;
