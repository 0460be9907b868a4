-- Acts that end many things and are not over: those with rows to be marked here come first, then those with work that is pending
-- upstream, the newest before the others (what an upstream keeps failing is tried again by the queue itself). Tenants take turns.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.open_acts(p_limit int) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT o.tenant_id, o.id FROM (
    SELECT a.tenant_id, a.id, a.created_at, a.done_at IS NOT NULL AS waits,
      row_number() OVER (PARTITION BY a.tenant_id, a.done_at IS NOT NULL ORDER BY a.created_at DESC, a.id) AS turn
    FROM public.revocation_act a WHERE a.settled_at IS NULL) o
  ORDER BY o.waits, o.turn, o.created_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.open_acts(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.open_acts(int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
