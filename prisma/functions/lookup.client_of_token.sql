-- Which client a token was given to, by the hash of an access token or of a refresh family; NULL for none. What comes before the
-- tenant: a program that nobody registered says who it is by an address, and each tenant knows it by another id.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_of_token(p_access bytea, p_family bytea) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT g.client_id FROM public.oauth_grant g
    WHERE g.family_hash = p_family OR g.id = (SELECT a.grant_id FROM public.access_token a WHERE a.hash = p_access) LIMIT 1;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_of_token(bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_of_token(bytea, bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
