-- Whether a token stands with everything that it was made under: vk.ground_stands, and nobody revoked the token itself. Its end is
-- not asked. The token is looked at once what it stands on is locked (connection before token, as a revocation does).
CREATE OR REPLACE FUNCTION vk.token_stands(p_tenant text, p_id text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE t public.issued_token%ROWTYPE;
BEGIN
  SELECT * INTO t FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id;
  RETURN coalesce(vk.ground_stands(t), false) AND EXISTS (SELECT FROM issued_token k WHERE k.tenant_id = p_tenant AND k.id = p_id
    AND k.status IN ('issuing', 'live') AND k.generation = 0);
END $$;
REVOKE EXECUTE ON FUNCTION vk.token_stands(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.token_stands(text, text) TO valetkey_app;
