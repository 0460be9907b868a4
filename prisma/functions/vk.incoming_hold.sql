-- What a program may do that came with a token of a trusted issuer, under lock: whoever takes the issuer or the client away
-- either comes before, and NULL is answered, or waits until the act has committed.
CREATE OR REPLACE FUNCTION vk.incoming_hold(p_tenant text, p_issuer text, p_generation int, p_client text)
  RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  PERFORM 1 FROM trusted_issuer i WHERE i.tenant_id = p_tenant AND i.id = p_issuer FOR SHARE;
  PERFORM 1 FROM trusted_client c WHERE c.tenant_id = p_tenant AND c.id = p_client FOR SHARE;
  -- Read after the locks, as in vk.act_begin.
  RETURN (SELECT c.scopes FROM trusted_issuer i JOIN trusted_client c ON c.tenant_id = i.tenant_id AND c.issuer_id = i.id
    WHERE i.tenant_id = p_tenant AND i.id = p_issuer AND i.generation = p_generation AND c.id = p_client);
END $$;
REVOKE EXECUTE ON FUNCTION vk.incoming_hold(text, text, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.incoming_hold(text, text, int, text) TO valetkey_app;
