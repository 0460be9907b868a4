-- Whether a client has authenticated: vk.client_admitted in one word. The tenant is set.
CREATE OR REPLACE FUNCTION vk.client_admits(c public.api_client, p_secret bytea, p_asserted int) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM vk.client_admitted(c.id, p_secret, p_asserted));
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) TO valetkey_app;
