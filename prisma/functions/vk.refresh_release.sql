-- Gives back a claim under which nothing was sent, as if it had not been made: its holder could not even read the token.
-- It rests a little, so that one who can may take it. An interruption stays open, its recovery try still to come (a claim
-- on it was possible only because none had been begun).
CREATE OR REPLACE FUNCTION vk.refresh_release(p_tenant text, p_connection text, p_sent int, p_fence int, p_uncertain boolean)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET claim_until = CASE WHEN p_uncertain THEN vk_now() END,
      intent_at = CASE WHEN p_uncertain THEN k.intent_at END, next_try_at = vk_now() + random() * interval '2 seconds',
      recoveries = CASE WHEN p_uncertain THEN 0 ELSE k.recoveries END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence
      AND k.status IN ('linked', 'degraded', 'uncertain');
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_release(text, text, int, int, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_release(text, text, int, int, boolean) TO valetkey_app;
