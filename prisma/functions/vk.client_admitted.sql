-- A client that has authenticated: a public one with nothing, one with a secret by the hash of a living one, one that signs by
-- what it was found to be when its assertion was verified (its generation). No row: it has not. The tenant is set.
-- Plain SQL that the planner writes into whatever asks (docs/decisions/0066): STABLE, and arguments that are no calls.
CREATE OR REPLACE FUNCTION vk.client_admitted(p_client text, p_secret bytea, p_asserted int)
  RETURNS SETOF public.api_client LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT * FROM api_client c WHERE c.id = p_client AND c.ended_at IS NULL AND CASE c.authentication
      WHEN 'none' THEN p_secret IS NULL AND p_asserted IS NULL
      WHEN 'secret' THEN p_asserted IS NULL AND EXISTS (SELECT FROM client_secret s WHERE s.client_id = c.id
        AND s.secret_hash = p_secret AND (s.expires_at IS NULL OR s.expires_at > vk_now()))
      WHEN 'private_key_jwt' THEN p_secret IS NULL AND p_asserted IS NOT DISTINCT FROM c.generation
      ELSE false END
$$;
REVOKE EXECUTE ON FUNCTION vk.client_admitted(text, bytea, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.client_admitted(text, bytea, int) TO valetkey_app;
