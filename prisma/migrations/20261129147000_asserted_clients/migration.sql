-- Whether a client has authenticated: a public one with nothing, one with a secret by the hash of a living one, one that
-- signs by what it was found to be when its assertion was verified (its generation). The tenant is set.
CREATE OR REPLACE FUNCTION vk.client_admits(c public.api_client, p_secret bytea, p_asserted int) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN c.id IS NOT NULL AND c.ended_at IS NULL AND CASE c.authentication
    WHEN 'none' THEN p_secret IS NULL AND p_asserted IS NULL
    WHEN 'secret' THEN p_asserted IS NULL AND EXISTS (SELECT FROM client_secret s WHERE s.client_id = c.id
      AND s.secret_hash = p_secret AND (s.expires_at IS NULL OR s.expires_at > vk_now()))
    WHEN 'private_key_jwt' THEN p_secret IS NULL AND p_asserted IS NOT DISTINCT FROM c.generation
    ELSE false END;
END $$;
REVOKE EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admits(public.api_client, bytea, int) TO valetkey_app;
