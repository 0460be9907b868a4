-- Whether somebody froze a program, or what a person gave it. NULL: there is none.
CREATE OR REPLACE FUNCTION vk.program_frozen(p_tenant text, p_client text, p_grant text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM freeze_fact f WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > vk_now())
    AND (f.kind = 'client' AND f.target_id = p_client OR f.kind = 'grant' AND f.target_id = p_grant));
END $$;
REVOKE EXECUTE ON FUNCTION vk.program_frozen(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.program_frozen(text, text, text) TO valetkey_app;
