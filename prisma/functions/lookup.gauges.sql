-- One row a gauge and combination of labels; `oldest` is when the oldest of them began to wait. Answers:
-- connections (label: status) | cooldowns | refreshes_due | revocations (label: state) | issues_unfinished |
-- audit_unsealed | audit_outbox. A frozen connection counts as that, whatever its status beneath, unless it is revoked.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.gauges(p_now timestamptz)
  RETURNS TABLE (gauge text, kind text, label text, amount bigint, oldest timestamptz)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  WITH freezes AS (SELECT f.tenant_id, f.kind, f.target_id FROM public.freeze_fact f WHERE f.until IS NULL OR f.until > p_now),
  told AS (
    SELECT p.kind, c.status, c.refresh_due_at, (c.tenant_id, c.id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'connection')
      OR (c.tenant_id, c.provider_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'provider')
      OR (c.tenant_id, c.user_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'member')
      OR (c.tenant_id, c.id) IN (SELECT l.tenant_id, l.connection_id FROM freezes f JOIN public.connection_project l
        ON l.tenant_id = f.tenant_id AND l.project_id = f.target_id WHERE f.kind = 'project')
      OR (c.tenant_id, c.user_id) NOT IN (SELECT m.tenant_id, m.user_id FROM public.member m WHERE m.status = 'active') AS frozen
    FROM public.connection c JOIN public.provider p ON p.tenant_id = c.tenant_id AND p.id = c.provider_id),
  held AS (
    SELECT t.kind, CASE WHEN t.frozen AND t.status <> 'revoked' THEN 'frozen' ELSE t.status END AS status, t.refresh_due_at,
      t.status IN ('linked', 'degraded', 'uncertain') AND NOT t.frozen AS alive FROM told t)
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
  SELECT 'audit_unsealed', NULL, NULL, count(*), min(q.at) FROM public.audit_unsealed q
  UNION ALL
  SELECT 'audit_outbox', NULL, NULL, count(*), min(o.at) FROM public.audit_outbox o;
END;
REVOKE EXECUTE ON FUNCTION lookup.gauges(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.gauges(timestamptz) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
