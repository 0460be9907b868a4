-- Whether anything stops the use of a connection: vk.frozen_by in one word.
CREATE OR REPLACE FUNCTION vk.frozen(p_tenant text, p_user text, p_provider text, p_connection text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM vk.frozen_by(p_tenant, p_user, p_provider, p_connection, NULL));
END $$;
REVOKE EXECUTE ON FUNCTION vk.frozen(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.frozen(text, text, text, text) TO valetkey_app;
