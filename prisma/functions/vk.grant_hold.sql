-- What a program may do that came with a token of a grant, under lock: whoever ends the grant, removes its client or freezes
-- either comes before, and NULL is answered, or waits until the act has committed. The member is locked already.
CREATE OR REPLACE FUNCTION vk.grant_hold(p_tenant text, p_grant text, p_client text) RETURNS text[]
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  PERFORM 1 FROM api_client c WHERE c.id = p_client FOR SHARE;
  PERFORM 1 FROM oauth_grant o WHERE o.tenant_id = p_tenant AND o.id = p_grant FOR SHARE;
  v_now := vk_now();
  -- Read after the locks, as in vk.act_begin.
  RETURN (SELECT s.scopes FROM vk.grant_standing(p_tenant, p_grant, v_now) s WHERE s.client_id = p_client AND s.state = 'live');
END $$;
REVOKE EXECUTE ON FUNCTION vk.grant_hold(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.grant_hold(text, text, text) TO valetkey_app;
