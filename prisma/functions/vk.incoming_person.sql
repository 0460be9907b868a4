-- Whose a verified token is, as things stand at this moment. No row: its issuer is trusted no more, or is judged in another
-- way by now. client is NULL where the client is not listed, user_id where nobody active in the tenant has this identity, or
-- where the token is not known to be newer than the moment from which theirs count again. A clock may be a minute off (J-07).
CREATE OR REPLACE FUNCTION vk.incoming_person(p_tenant text, p_issuer text, p_generation int, p_client text, p_subject text,
    p_issued timestamptz)
  RETURNS TABLE (client text, scopes text[], user_id text, name text, email text) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT c.id, c.scopes, m.user_id, u.name, u.email
    FROM trusted_issuer i
    LEFT JOIN trusted_client c ON c.tenant_id = i.tenant_id AND c.issuer_id = i.id AND c.client_id = p_client
    LEFT JOIN "user" u ON u.issuer = i.issuer AND u.subject = p_subject
    LEFT JOIN member m ON m.tenant_id = i.tenant_id AND m.user_id = u.id AND m.status = 'active'
      AND (m.tokens_after IS NULL OR p_issued > m.tokens_after + interval '60 seconds')
    WHERE i.tenant_id = p_tenant AND i.id = p_issuer AND i.generation = p_generation;
END $$;
REVOKE EXECUTE ON FUNCTION vk.incoming_person(text, text, int, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.incoming_person(text, text, int, text, text, timestamptz) TO valetkey_app;
