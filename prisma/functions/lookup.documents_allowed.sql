-- Whether some tenant lets in programs that nobody registered: what the metadata of the authorization server says of itself, which
-- is one for all tenants.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.documents_allowed() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM public.tenant t WHERE NOT EXISTS (SELECT FROM public.policy p
    WHERE p.tenant_id = t.id AND p.level = 'tenant' AND p.client_documents = 'off'));
END;
REVOKE EXECUTE ON FUNCTION lookup.documents_allowed() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.documents_allowed() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
