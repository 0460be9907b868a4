-- Keeps a sealed answer for a while under the key whose row its try holds. p_once: {id, answer, seconds}; without an answer nothing
-- is kept. The tenant is set.
CREATE OR REPLACE FUNCTION vk.idempotency_answer(p_tenant text, p_once jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  UPDATE idempotency_key i SET answer = p_once ->> 'answer', answered_at = v_now,
      answer_until = v_now + make_interval(secs => (p_once ->> 'seconds')::float8)
    WHERE i.tenant_id = p_tenant AND i.id = p_once ->> 'id' AND p_once ? 'answer';
END $$;
REVOKE EXECUTE ON FUNCTION vk.idempotency_answer(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.idempotency_answer(text, jsonb) TO valetkey_app;
