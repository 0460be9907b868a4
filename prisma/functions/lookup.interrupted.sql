-- Interrupted rotations (an intent whose holder is gone, because its lease is over) begun within p_within; upstreams take
-- turns. `seconds`: how long ago the token was sent, at the latest.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.interrupted(p_within interval, p_limit int)
  RETURNS TABLE (tenant_id text, id text, provider_id text, seconds double precision)
  LANGUAGE sql VOLATILE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id, d.provider_id, extract(epoch FROM d.now - d.intent_at)::float8 FROM (
    SELECT c.tenant_id, c.id, c.provider_id, c.intent_at, n.now,
      row_number() OVER (PARTITION BY c.tenant_id, c.provider_id ORDER BY c.intent_at) AS turn
    FROM (SELECT public.vk_now() AS now) n, public.connection c
    WHERE c.intent_at > n.now - p_within AND c.claim_until < n.now AND c.status IN ('linked', 'degraded', 'uncertain')) d
  WHERE d.turn <= 32 ORDER BY d.turn, d.intent_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.interrupted(interval, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.interrupted(interval, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
