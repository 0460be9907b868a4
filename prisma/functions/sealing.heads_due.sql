-- Tenants whose chain has grown since its last signature, which is older than p_before or p_events behind.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.heads_due(p_before timestamptz, p_events int, p_limit int) RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT t.tenant_id FROM public.audit_tip t
    LEFT JOIN LATERAL (SELECT h.seq, h.signed_at FROM public.audit_head h WHERE h.tenant_id = t.tenant_id
      ORDER BY h.seq DESC LIMIT 1) AS last ON true
  WHERE t.seq > coalesce(last.seq, 0)
    AND (last.seq IS NULL OR last.signed_at <= p_before OR t.seq >= last.seq + p_events)
  LIMIT p_limit;
END;
REVOKE EXECUTE ON FUNCTION sealing.heads_due(timestamptz, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.heads_due(timestamptz, int, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;
