-- The tenant of a provider whose client is known by a document of ours: what its upstream reads before any tenant is known.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_document(p_provider text) RETURNS text LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT r.tenant_id FROM public.provider r
    WHERE r.id = p_provider AND r.settings #>> '{authorization,registration}' = 'metadata_document';
END;
REVOKE EXECUTE ON FUNCTION lookup.client_document(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_document(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
