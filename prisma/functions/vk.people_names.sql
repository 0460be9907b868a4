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
