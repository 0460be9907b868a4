-- Upstream revocations that are due, those that are done and have to be asked about among them; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_revocations(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, r.next_try_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.next_try_at) AS turn
    FROM public.upstream_revocation r
    WHERE r.state IN ('pending', 'done') AND r.next_try_at <= p_now AND (r.claim_until IS NULL OR r.claim_until < p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.next_try_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_revocations(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_revocations(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
