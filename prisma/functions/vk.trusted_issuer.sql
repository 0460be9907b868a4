-- What a tenant says about the issuer that a token names; p_issuer NULL: the token names none, and the one answers that is
-- asked about such tokens.
CREATE OR REPLACE FUNCTION vk.trusted_issuer(p_slug text, p_issuer text)
  RETURNS TABLE (tenant_id text, id text, issuer text, audience text, client_id text, client_secret text, generation int)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_tenant text := lookup.tenant_by_slug(p_slug);
BEGIN
  PERFORM set_config('app.tenant_id', coalesce(v_tenant, ''), true);
  RETURN QUERY SELECT i.tenant_id, i.id, i.issuer, i.audience, i.client_id, i.client_secret, i.generation FROM trusted_issuer i
    WHERE i.tenant_id = v_tenant AND (i.issuer = p_issuer OR p_issuer IS NULL AND i.opaque);
END $$;
REVOKE EXECUTE ON FUNCTION vk.trusted_issuer(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.trusted_issuer(text, text) TO valetkey_app;
