-- Takes a key for a try of somebody who may act now: vk.idempotency_claim. `refused`: they may not, as vk.act_hold says; then nothing
-- is asked.
CREATE OR REPLACE FUNCTION vk.idempotency_take(p_tenant text, p_user text, p_by jsonb, p_roles text[], p_id text, p_request bytea,
    p_claim text, p_lease interval, p_kept interval)
  RETURNS TABLE (refused text, outcome text, answer text, token text, seconds int) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
  refused := vk.act_hold(p_tenant, p_user, p_by, p_roles);
  IF refused IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
  RETURN QUERY SELECT NULL::text, c.outcome, c.answer, c.token, c.seconds
    FROM vk.idempotency_claim(p_tenant, p_id, p_request, p_claim, p_lease, p_kept) c;
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_take(text, text, jsonb, text[], text, bytea, text, interval, interval) TO valetkey_app;
