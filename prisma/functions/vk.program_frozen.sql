-- Whether somebody froze a program, or what a person gave it. NULL: there is none.
CREATE OR REPLACE FUNCTION vk.program_frozen(p_tenant text, p_client text, p_grant text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz := vk_now();
BEGIN
  RETURN EXISTS (SELECT FROM vk.freezes_on(p_tenant, NULL, NULL, NULL, '{}', p_client, p_grant, v_now));
END $$;
REVOKE EXECUTE ON FUNCTION vk.program_frozen(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.program_frozen(text, text, text) TO valetkey_app;
