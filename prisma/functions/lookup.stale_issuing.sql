-- Issues that were cut off: still `issuing`, and due to be looked for; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.stale_issuing(p_before timestamptz, p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT t.tenant_id, t.id, t.created_at, row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.created_at) AS turn
    FROM public.issued_token t
    WHERE t.status = 'issuing' AND t.created_at < p_before AND (t.next_try_at IS NULL OR t.next_try_at <= p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.created_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.stale_issuing(timestamptz, timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.stale_issuing(timestamptz, timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
