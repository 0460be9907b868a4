-- Which providers a logout token may concern: rows with its issuer, by either name, and one of the clients that it is for.
-- It names no tenant, and several may have the same row.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.providers_at(p_issuer text, p_clients text[]) RETURNS TABLE (tenant_id text, id text)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT r.tenant_id, r.id FROM public.provider r
    WHERE (r.issuer = p_issuer OR r.settings ->> 'alias' = p_issuer) AND r.client_id = ANY (p_clients) ORDER BY r.id;
END;
REVOKE EXECUTE ON FUNCTION lookup.providers_at(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.providers_at(text, text[]) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
