-- How each of these tokens of one tenant stands now: asked several times a second for those with a running stream.
CREATE OR REPLACE FUNCTION vk.tokens_standing(p_tenant text, p_ids text[]) RETURNS TABLE (id text, state text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT k.id, vk.token_state(k) FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = ANY (p_ids);
END $$;
REVOKE EXECUTE ON FUNCTION vk.tokens_standing(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.tokens_standing(text, text[]) TO valetkey_app;
