-- What people are called who are or were members. In one call: a page names a few of thousands.
CREATE OR REPLACE FUNCTION vk.people_names(p_tenant text, p_people text[]) RETURNS TABLE (id text, name text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT u.id, coalesce(u.email, u.name) FROM member m JOIN "user" u ON u.id = m.user_id
    WHERE m.tenant_id = p_tenant AND m.user_id = ANY (p_people);
END $$;
REVOKE EXECUTE ON FUNCTION vk.people_names(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.people_names(text, text[]) TO valetkey_app;

-- How many notifications somebody has not read, counted up to p_most: their own, and with p_admin what is addressed to all who
-- administer. In one call: every page shows it.
CREATE OR REPLACE FUNCTION vk.unread_count(p_tenant text, p_user text, p_admin boolean, p_most int) RETURNS int
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  -- Each half by the index of what is unread.
  RETURN (SELECT count(*) FROM (
    SELECT FROM notification WHERE tenant_id = p_tenant AND user_id = p_user AND read_at IS NULL
    UNION ALL
    SELECT FROM notification WHERE p_admin AND tenant_id = p_tenant AND user_id IS NULL AND read_at IS NULL
    LIMIT p_most) unread);
END $$;
REVOKE EXECUTE ON FUNCTION vk.unread_count(text, text, boolean, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.unread_count(text, text, boolean, int) TO valetkey_app;
