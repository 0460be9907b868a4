-- Public keys that a provider's client signs with (RFC 7523): what its upstream reads before any tenant is known.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_keys(p_provider text) RETURNS jsonb LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT s.oauth -> 'keys' FROM public.provider r,
    -- An MCP server's row holds that of its authorization server.
    LATERAL (SELECT coalesce(r.settings #> '{authorization,oauth}', r.settings) AS oauth) s
    WHERE r.id = p_provider AND s.oauth ->> 'authentication' = 'private_key_jwt';
END;
REVOKE EXECUTE ON FUNCTION lookup.client_keys(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_keys(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
