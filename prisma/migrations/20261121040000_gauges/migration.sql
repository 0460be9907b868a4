-- What /metrics shows of the database: sums over all tenants, so that no tenant, person or id leaves it.
-- Hand-written; Prisma's diff does not see it. The columns are granted one by one, as for every look-up.
GRANT SELECT (tenant_id, provider_id, status, refresh_due_at) ON connection TO vk_lookup;
CREATE POLICY gauges ON connection FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, id, kind) ON provider TO vk_lookup;
CREATE POLICY gauges ON provider FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, provider_id, paused_until) ON upstream_pace TO vk_lookup;
CREATE POLICY gauges ON upstream_pace FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (seq, at) ON audit_event TO vk_lookup;
CREATE POLICY gauges ON audit_event FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (at) ON audit_outbox TO vk_lookup;
GRANT SELECT (created_at) ON upstream_revocation TO vk_lookup;

GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;

-- One row a gauge and combination of labels; `oldest` is when the oldest of them began to wait. Answers:
-- connections (label: status) | cooldowns | refreshes_due | revocations (label: state) | issues_unfinished |
-- audit_unsealed | audit_outbox.
CREATE FUNCTION lookup.gauges(p_now timestamptz)
  RETURNS TABLE (gauge text, kind text, label text, amount bigint, oldest timestamptz)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  WITH held AS (
    SELECT p.kind, c.status, c.refresh_due_at, c.status IN ('linked', 'degraded', 'uncertain') AS alive
    FROM public.connection c JOIN public.provider p ON p.tenant_id = c.tenant_id AND p.id = c.provider_id)
  SELECT 'connections', h.kind, h.status, count(*), NULL::timestamptz FROM held h GROUP BY h.kind, h.status
  UNION ALL
  SELECT 'cooldowns', p.kind, NULL, count(*), NULL FROM public.upstream_pace u
    JOIN public.provider p ON p.tenant_id = u.tenant_id AND p.id = u.provider_id WHERE u.paused_until > p_now GROUP BY p.kind
  UNION ALL
  SELECT 'refreshes_due', h.kind, NULL, count(*), min(h.refresh_due_at) FROM held h
    WHERE h.alive AND h.refresh_due_at <= p_now GROUP BY h.kind
  UNION ALL
  SELECT 'revocations', NULL, r.state, count(*), min(r.created_at) FROM public.upstream_revocation r
    WHERE r.state IN ('pending', 'failed') GROUP BY r.state
  UNION ALL
  SELECT 'issues_unfinished', NULL, NULL, count(*), min(t.created_at) FROM public.issued_token t WHERE t.status = 'issuing'
  UNION ALL
  SELECT 'audit_unsealed', NULL, NULL, count(*), min(e.at) FROM public.audit_event e WHERE e.seq IS NULL
  UNION ALL
  SELECT 'audit_outbox', NULL, NULL, count(*), min(o.at) FROM public.audit_outbox o;
END;

REVOKE EXECUTE ON FUNCTION lookup.gauges(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.gauges(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- What counting unconfirmed work reads.
CREATE INDEX upstream_revocation_unconfirmed ON upstream_revocation (state, created_at) WHERE state IN ('pending', 'failed');
