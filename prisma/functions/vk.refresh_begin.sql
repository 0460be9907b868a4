-- The last look before anything is sent: whether the claim still stands, which then begins anew. What came between (a
-- busy pool, a paused process) does not count against the lease, and a token that a successor spent is not sent (RR-02).
-- From here on the token may be sent: a death before it costs nothing, however often. An intent that is older than the
-- claim is of a holder that was cut off, so this is the recovery try. (One as old as the claim was set by the claim
-- itself, which was made by the version before and has counted.)
CREATE OR REPLACE FUNCTION vk.refresh_begin(p_tenant text, p_connection text, p_sent int, p_fence int, p_lease interval)
  RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  UPDATE connection k SET claim_until = v_now + p_lease, intent_at = v_now,
      recoveries = k.recoveries + CASE WHEN k.intent_at < k.claim_until - p_lease THEN 1 ELSE 0 END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence
      AND k.claim_until >= v_now AND k.status IN ('linked', 'degraded', 'uncertain')
      AND NOT vk.frozen(p_tenant, k.user_id, k.provider_id, k.id);
  RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_begin(text, text, int, int, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_begin(text, text, int, int, interval) TO valetkey_app;
