-- Providers whose daily check is due, or that were never put on the schedule; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_checks(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT r.tenant_id, r.id, c.due_at, row_number() OVER (PARTITION BY r.tenant_id ORDER BY c.due_at NULLS FIRST, r.id) AS turn
    FROM public.provider r LEFT JOIN public.provider_check c ON c.tenant_id = r.tenant_id AND c.provider_id = r.id
    WHERE r.removed_at IS NULL AND (c.due_at IS NULL OR c.due_at <= p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.due_at NULLS FIRST LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_checks(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
