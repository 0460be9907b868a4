-- Tokens whose life at the upstream is longer than was asked, and whose asked end has come; tenants take turns, ten each.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_ends(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id FROM (
    SELECT t.tenant_id, t.id, t.revoke_at, row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.revoke_at) AS turn
    FROM public.issued_token t
    WHERE t.revoke_at <= p_now AND t.status = 'live' AND t.generation = 0) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.revoke_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_ends(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_ends(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
