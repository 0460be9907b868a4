-- The freezes that stand on what somebody uses; NULL: none of that kind is asked about. A freeze whose time is over is none. p_now:
-- the moment that counts. The tenant is set. Plain SQL that the planner writes into whatever asks (docs/decisions/0066).
CREATE OR REPLACE FUNCTION vk.freezes_on(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[],
    p_client text, p_grant text, p_now timestamptz)
  RETURNS SETOF public.freeze_fact LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT f.* FROM freeze_fact f WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > p_now) AND (
    (f.kind, f.target_id) IN (('member', p_user), ('provider', p_provider), ('connection', p_connection), ('client', p_client),
      ('grant', p_grant))
    OR f.kind = 'project' AND f.target_id = ANY (p_projects))
$$;
REVOKE EXECUTE ON FUNCTION vk.freezes_on(text, text, text, text, text[], text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.freezes_on(text, text, text, text, text[], text, text, timestamptz) TO valetkey_app;
