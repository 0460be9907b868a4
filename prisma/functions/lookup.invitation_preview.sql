-- What the bearer of an invitation's link is shown before accepting it.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.invitation_preview(p_hash bytea)
  RETURNS TABLE (tenant_name text, role text, expires_at timestamptz, used boolean, maker_role text, maker_status text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.name, i.role, i.expires_at, i.used_at IS NOT NULL, m.role, m.status
  FROM public.invitation i
  JOIN public.tenant t ON t.id = i.tenant_id
  LEFT JOIN public.member m ON m.tenant_id = i.tenant_id AND m.user_id = i.created_by
  WHERE i.token_hash = p_hash;
END;
REVOKE EXECUTE ON FUNCTION lookup.invitation_preview(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.invitation_preview(bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
