-- Messages that are due; webhooks take turns, so that a dead one holds up neither its tenant's others nor other tenants.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.due_deliveries(p_now timestamptz, p_limit int) RETURNS TABLE (tenant_id text, id text, webhook_id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id, d.webhook_id FROM (
    SELECT m.tenant_id, m.id, m.webhook_id, m.next_try_at,
      row_number() OVER (PARTITION BY m.tenant_id, m.webhook_id ORDER BY m.next_try_at, m.id) AS turn
    FROM public.webhook_delivery m
    WHERE m.state = 'pending' AND m.next_try_at <= p_now AND (m.claim_until IS NULL OR m.claim_until < p_now)) d
  WHERE d.turn <= 10 ORDER BY d.turn, d.next_try_at LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION lookup.due_deliveries(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_deliveries(timestamptz, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
