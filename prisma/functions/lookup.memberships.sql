-- Where a person is a member, and whether each tenant accepts this session of theirs.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.memberships(p_user text, p_session text)
  RETURNS TABLE (tenant_id text, slug text, name text, role text, status text, refused boolean)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id, t.slug, t.name, m.role, m.status,
    EXISTS (SELECT FROM public.session_refusal r WHERE r.tenant_id = t.id AND r.session_id = p_session)
  FROM public.member m JOIN public.tenant t ON t.id = m.tenant_id
  WHERE m.user_id = p_user ORDER BY t.name, t.id;
END;
REVOKE EXECUTE ON FUNCTION lookup.memberships(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.memberships(text, text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
